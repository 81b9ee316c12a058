"""What fires and has fired, who was told, who is spared for a while, and each alert by itself."""
