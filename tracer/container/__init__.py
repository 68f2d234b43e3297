"""
Container engines: which container a recording is of, and how to start one differently.

`engines` defines the protocol and the registry, `podman` and `docker` are one engine each, and
`arguments` finds the engine inside a command line. What the kernel saw belongs elsewhere: this
package never sees a map.
"""
