"""
Measuring what a runtime calls in a container's window before the container's own program runs.

For `seccomp-trace floor measure` and scripts/measure-floor; nothing that records or makes profiles
imports this. No engine and no image take part:

- `files` says which runtime files are measured, `apart` measures one in a process of its own;
- `place` makes a mount namespace with the containers' root directory, `programs` the two tiny
  programs in it, `variants` the tables of options and the documents that a runtime reads;
- `running` runs commands while they are recorded, `observing` makes starts and execs of them;
- `measurement` takes the samples and then the trials that refuse calls, of which `tally` (pure)
  decides which come next; `counting` (pure) counts samples.
"""
