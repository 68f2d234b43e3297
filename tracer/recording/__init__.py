"""
Recordings: what one container, or one command's process tree, asked of the kernel.

`records` holds the records, `joining` how two of one identity become one, `model` the recording
and the union of two, `document` its versioned JSON form; whoever uses recordings imports from
here. How a recording comes about (kernel maps, engines) and what is made of it (profiles, reports)
belongs elsewhere.
"""

from tracer.recording.document import from_json, is_recording, to_json
from tracer.recording.model import Recording, merge
from tracer.recording.records import (
    CONTAINER,
    HOST,
    INNER,
    INTERRUPTED,
    RUNTIME,
    SUCCESS,
    UNFINISHED,
    UNKNOWN,
    Capabilities,
    Check,
    Circumstances,
    Denial,
    Executable,
    Extra,
    Observation,
    Outcomes,
    Reason,
    Run,
    Sighting,
    extra_of,
    values_of,
)

__all__ = [
    "CONTAINER",
    "HOST",
    "INNER",
    "INTERRUPTED",
    "RUNTIME",
    "SUCCESS",
    "UNFINISHED",
    "UNKNOWN",
    "Capabilities",
    "Check",
    "Circumstances",
    "Denial",
    "Executable",
    "Extra",
    "Observation",
    "Outcomes",
    "Reason",
    "Recording",
    "Run",
    "Sighting",
    "extra_of",
    "from_json",
    "is_recording",
    "merge",
    "to_json",
    "values_of",
]
