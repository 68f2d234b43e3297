"""
Profiles: what is allowed, as an OCI/Docker seccomp document.

Pure: nothing in this package reads the clock, the network or any file but its own data. Its
modules are imported by name (`from tracer.profile.generate import generate`).
"""
