"""
seccomp-trace records what a container asks of the kernel and writes the seccomp profile that
starts it again.

Importing this package is cheap and needs neither privilege nor bcc: nothing but the version
belongs here.
"""

__version__ = "0.1.0"
