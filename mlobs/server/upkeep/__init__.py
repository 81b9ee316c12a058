"""What keeps a store in shape: old data goes, data goes when somebody asks, and a copy can be made.

`retention` drops whole days by age and by size; `keeper` does so once a minute. `deletion` removes
what one trace, session or user left; `removing` does it in all tables at once. `backup` writes a copy
of a running store as one tar file, `restore` makes a store of it. `routes` are the HTTP side.

Why days are dropped whole: it costs nothing, whatever the number of rows. Why deletion rewrites
parts: a row that is only masked is still on the disk.

Why a backup is made of frozen parts and not of the engine's BACKUP statement: the embedded engine
cannot be given the folder that statement needs.
"""
