"""
What people read on standard error: the lines of life while recording, and the summary afterwards.

Everything here prints strings that came from inside containers: each goes through
`tracer.text.printable` first. The one door to jinja2 is `summary`.
"""
