"""
The conductor: a command, the containers it starts and the kernel's maps become recordings.

The only package that knows both `tracer.kernel` and `tracer.container`. `command` runs the command
and passes signals on, `belonging` decides which of the kernel's recordings are the command's,
`assembly` turns them into recordings, `recording_run` does one `run` from beginning to end.
"""
