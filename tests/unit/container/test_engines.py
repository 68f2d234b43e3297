"""
Tests of what engines and their runtimes answer, and of what is asked of their sockets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from tracer.container import engines
from tracer.container.docker import Docker
from tracer.container.engines import Named, started_by_request
from tracer.container.podman import Podman

ID = "ab" * 32
OTHER = "cd" * 32
INSPECTED = f'{{"id":"{ID}","name":"/web","image":"nginx"}}\n'
DOCKER_EVENTS = (
    '{"Type":"network","id":"feed","Actor":{"Attributes":{"name":"bridge"}}}\n'
    f'{{"Type":"container","id":"{ID}",'
    '"Actor":{"Attributes":{"name":"web","image":"nginx"}}}\n'
)
PODMAN_INSPECTED = f'{{"id":"{ID}","name":"web","image":"localhost/nginx","infra":true}}\n'
PODMAN_EVENTS = f'{{"Status":"start"}}\n{{"ID":"{ID}","Name":"web","Image":"localhost/nginx"}}\n'


class Answers:
    """
    An engine's client that knows answers by subcommand, and remembers what it was asked.
    """

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.asked: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> str:
        self.asked.append(command)
        return next((text for verb, text in self.answers.items() if verb in command), "")


def test_docker_describes_a_container_that_exists():
    """
    docker's name of a container loses its slash.
    """
    answers = Answers(inspect=INSPECTED)

    named = Docker().look_up(["sudo", "docker", "-H", "x"], "web", 0, answers)

    assert named == Named(ID, "web", "nginx")
    assert list(answers.asked[0][:5]) == ["sudo", "docker", "-H", "x", "container"]


def test_docker_describes_a_container_that_is_gone():
    """
    Of a removed container docker's events still tell the name and image.
    """
    named = Docker().look_up(["docker"], ID, 123, Answers(events=DOCKER_EVENTS))

    assert named == Named(ID, "web", "nginx")


def test_podman_describes_a_container_that_exists():
    """
    podman says whether a container only holds a pod's namespaces.
    """
    named = Podman().look_up(["podman"], "web", 0, Answers(inspect=PODMAN_INSPECTED))

    assert named == Named(ID, "web", "localhost/nginx", True)


def test_podman_describes_a_container_that_is_gone():
    """
    Of a removed container podman's events still tell the name and image.
    """
    answers = Answers(events=PODMAN_EVENTS)

    named = Podman().look_up(["podman", "--root", "/r"], ID, 123, answers)

    assert named == Named(ID, "web", "localhost/nginx", False)
    assert list(answers.asked[1][:4]) == ["podman", "--root", "/r", "events"]
    assert "123" in answers.asked[1]


@pytest.mark.parametrize("engine", [Docker(), Podman()])
@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", "[" * 10**5, '{"id": 1}', "\0", '{"ID": []}']
)
def test_an_answer_that_is_none_is_no_error(engine: engines.Engine, text: str):
    """
    Whatever an engine prints instead of an answer, the container is unknown and nothing more.
    """
    assert engine.look_up(["x"], ID, 0, Answers(inspect=text, events=text)) is None


@pytest.mark.parametrize("engine", [Docker(), Podman()])
def test_a_reference_is_never_an_option(engine: engines.Engine):
    """
    A hostile reference that begins with a dash is data to the client, not an option.
    """
    answers = Answers()

    engine.look_up(["x"], "--privileged", 0, answers)

    for command in answers.asked:
        words = list(command)
        if "--privileged" in words:
            assert words[words.index("--privileged") - 1] == "--"


def test_the_registry_names_each_engine():
    """
    An engine is registered under its own name.
    """
    assert {name: engine.name for name, engine in engines.registry().items()} == {
        "podman": "podman",
        "docker": "docker",
    }


def test_ask_returns_what_a_command_prints():
    """
    The answer is standard output alone.
    """
    assert engines.ask(["sh", "-c", "echo answer; echo noise >&2"]) == "answer\n"


def test_ask_returns_what_a_command_prints_before_it_fails():
    """
    An engine describes those containers that it knows, and fails for the others.
    """
    assert engines.ask(["sh", "-c", "echo one; exit 3"]) == "one\n"


@pytest.mark.parametrize("command", [["false"], ["/no/such/program"], ["a\0b"]])
def test_a_failure_is_an_empty_answer(command: list[str]):
    """
    A client that fails, or is not there, has not answered.
    """
    assert engines.ask(command) == ""


@pytest.mark.parametrize(
    "line, reference, joins",
    [
        (f"POST /v1.41/containers/{ID}/start HTTP/1.1", ID, False),
        ("POST /v4.3.1/libpod/containers/web/start?detachKeys=ctrl HTTP/1.1", "web", False),
        ("POST /containers/web/restart HTTP/1.1", "web", False),
        (f"POST /v1.41/containers/{ID}/exec HTTP/1.1", ID, True),
        ("POST /v1.41/exec/feed/start HTTP/1.1", "", False),
        ("POST /v1.41/containers/create HTTP/1.1", "", False),
        (f"POST /v1.41/containers/{ID}/kill?signal=9 HTTP/1.1", "", False),
        ("POST /v1.41/images/start HTTP/1.1", "", False),
        ("POST", "", False),
        ("", "", False),
    ],
)
def test_a_request_names_the_container_that_it_starts(line: str, reference: str, joins: bool):
    """
    Requests that start or join a container are told from all others.
    """
    assert started_by_request(line) == (reference, joins)


def described(id: str, name: str, **fields: object) -> str:
    """
    A line by which an engine describes a container.
    """
    return json.dumps({"id": id, "name": name, **fields}) + "\n"


def asked_for(command: Sequence[str]) -> list[str]:
    """
    The containers that an engine's client is asked about.
    """
    words = list(command)
    return words[words.index("--") + 1 :]


@pytest.mark.parametrize("engine", [Docker(), Podman()])
def test_an_engine_describes_those_that_it_knows(engine: engines.Engine):
    """
    Of several containers one answer comes, with a line for each that exists.
    """
    answers = Answers(inspect=described(ID, "web") + "no JSON\n" + described(OTHER, "db"))

    found = engine.inspect(["x", "-H", "y"], ["web", "gone", "db"], answers)

    assert found == [Named(ID, "web"), Named(OTHER, "db")]
    (command,) = answers.asked
    assert list(command[:3]) == ["x", "-H", "y"] and asked_for(command) == ["web", "gone", "db"]


def test_what_an_engine_says_is_taken_over():
    """
    Process, start, runtime and labels are kept; labels are sorted, and their values are text.
    """
    fields = {
        "image": "nginx",
        "process": 42,
        "started": "1970-01-01T00:00:02.5Z",
        "runtime": "runc",
        "labels": {"b": "2", "a": 1},
    }

    (found,) = engines.inspected(described(ID, "/web", **fields))

    labels = (("a", "1"), ("b", "2"))
    assert found == Named(ID, "web", "nginx", False, 42, 2.5, "runc", labels)


@pytest.mark.parametrize(
    "fields",
    [
        {"process": "42", "started": 5, "labels": ["a"], "image": {}, "infra": "yes"},
        {"process": None, "started": None, "labels": None, "image": None, "infra": None},
        {"process": [], "started": "0001-13-01T00:00:00Z", "labels": "a", "name": []},
    ],
)
def test_what_an_engine_says_amiss_is_empty(fields: Mapping[str, object]):
    """
    A field of another kind than it should be is as good as none.
    """
    found = engines.named({"id": ID, **fields})

    assert found == Named(ID)


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:01.25+01:00", 1.25),
        ("1970-01-01T00:00:01.123456789Z", 1.123456789),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("1970-01-01 00:00:01 +0000 UTC", 0.0),
        ("99:99", 0.0),
        ("1970-01-01T99:99:99Z", 0.0),
    ],
)
def test_a_time_is_as_engines_write_it(text: str, seconds: float):
    """
    Nine digits of a second and any zone are understood; what is no time is none.
    """
    found = engines.named({"id": ID, "started": text})

    assert found is not None and found.started == pytest.approx(seconds)


def test_every_engine_of_the_host_is_asked():
    """
    A container is known by the engine that has it; one that two claim, by the first.
    """

    def ask(command: Sequence[str]) -> str:
        if command[0] == "podman":
            return described(ID, "web")
        return described(ID, "of docker") + described(OTHER, "db")

    assert engines.known([ID, OTHER], ask) == {
        ID: ("podman", Named(ID, "web")),
        OTHER: ("docker", Named(OTHER, "db")),
    }


def test_many_are_asked_about_at_once():
    """
    An engine is asked once for many containers, but not for more than a command line takes.
    """
    many = [f"{number:064x}" for number in range(450)]
    answers = Answers()

    engines.known(many, answers)

    for engine in engines.registry():
        asked = [asked_for(command) for command in answers.asked if command[0] == engine]
        assert sum(asked, []) == many and len(asked) == 3


def test_nobody_is_asked_about_nothing():
    """
    Without containers no client is started.
    """
    answers = Answers()

    assert engines.known([], answers) == {} and answers.asked == []
