"""OTLP comes in: over HTTP as protobuf or JSON, over gRPC; gzip, deflate, zstd or plain.

Both listeners (`http`, `grpc`) read a body within limits and hand it to the `Receiver` of its
signal, which inflates it (`encodings`), makes protobuf of JSON (`notation`), checks it
(`messages`) and answers when the journal has it on the disk. What is refused (`refusals`) is
counted with its reason and leaves nothing behind.
"""
