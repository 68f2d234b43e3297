"""
Capabilities: their names, the five sets of a thread, and what an execve makes of them.

`names` is numbers, names and masks, `sets` a thread's credentials, `attribute` what a file grants,
`execution` the kernel's rules, `explanation` those rules in a line, `defaults` what engines give.
Everything here is pure; /proc is read by `container.process`. capabilities(7) has the terms.
"""
