"""
Measuring what a runtime calls in a container's window before the container's own program runs.

For those who maintain `profile/data/floors.json`; nothing that records or makes profiles imports
this. `variants` says what is started, `observing` starts and records it, `counting` (pure) makes
the data of it, and `python3 -m tracer.measuring` (scripts/measure-floor) is the front.
"""
