"""
The conductor: a command, the containers it starts and the kernel's maps become recordings.

The only package that knows both `tracer.kernel` and `tracer.container`. `command` runs the command
and passes signals on, `belonging` decides which of the kernel's recordings are the command's,
`assembly` turns them into recordings, `recording_run` does one `run` from beginning to end,
`attachment` one `attach`. `resident` and `holdings` are for the recorder that stays, `watching` and
`refusals` for what filters deny, `checking` for capabilities; `trial` runs a container under a
profile, for `verification`, `refinement` and `minimisation` to judge.
"""
