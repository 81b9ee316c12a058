"""The pages of users: what each costs and how it goes for them, and one user with their sessions."""
