"""
The OCI hook: what an engine's runtime runs at a container's beginning and after its end.

`python -I -m tracer.hook begin` is told of a container that is about to start, has it recorded, and
is gone; `... end` writes what was recorded to where the container's annotation says. Nothing of
ours runs in between. A hook runs as root on the word of whoever may set an annotation: `annotation`
says what may be asked for, `places` where it may lead. Installing is `configuration` and
`directories`; what a person types for that is in `cli`.
"""
