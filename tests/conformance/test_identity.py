"""A decorated function is the function it was: what goes in, what comes out, what is asked about it."""

import abc
import asyncio
import copy
import dataclasses
import functools
import inspect
import pickle
import typing
import weakref

import pytest


def plain(
    a: int, /, b: str = "x", *rest: float, c: bool, d: "int | None" = None, **more: object
) -> list[int]:
    """Say what it is for."""
    return [a]


async def coroutine(a: int) -> int:
    """Wait."""
    return a


def generator(a: int) -> typing.Iterator[int]:
    """Stream."""
    yield a


async def async_generator(a: int) -> typing.AsyncIterator[int]:
    """Stream later."""
    yield a


FUNCTIONS = (plain, coroutine, generator, async_generator)
QUESTIONS = (
    inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.isfunction,
    asyncio.iscoroutinefunction,
)  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_inspect_tells_the_truth(api, function):
    decorated = api.step(function)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert typing.get_type_hints(decorated) == typing.get_type_hints(function)
    assert inspect.unwrap(decorated) is function
    assert [question(decorated) for question in QUESTIONS] == [question(function) for question in QUESTIONS]
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        assert getattr(decorated, name) == getattr(function, name)


def test_what_a_call_gives_is_of_the_kind_it_was(api):
    assert inspect.isgenerator(api.step(generator)(1))
    assert inspect.isasyncgen(api.step(async_generator)(1))
    waiting = api.step(coroutine)(1)
    assert inspect.iscoroutine(waiting)
    assert asyncio.run(waiting) == 1


def test_arguments_and_results_are_the_same_objects(api):
    sentinel = object()

    @api.tool
    def give(a, *rest, key, **more):
        return a, rest, key, more

    got = give(sentinel, 1, key=sentinel, other=2)
    assert got[0] is sentinel
    assert got == (sentinel, (1,), sentinel, {"other": 2})


def test_wrong_arguments_are_pythons_error(api):
    decorated = api.tool(lambda a: a)
    with pytest.raises(TypeError):
        decorated()
    with pytest.raises(TypeError):
        decorated(1, nothing=2)


class Custom(BaseException):
    """No Exception at all."""


class SilentError(Exception):
    """Cannot even be shown."""

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyboardInterrupt(),
        SystemExit(3),
        Custom("y"),
        SilentError(),
        ExceptionGroup("g", [OSError()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_leaves_as_the_same_object_with_its_traceback(api, error):
    cause = LookupError("cause")

    @api.tool
    def fail():
        raise error from cause

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert caught.value.__cause__ is cause
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert frames[-1] == "fail"
    assert api.one("fail").state == "error"


def test_an_exception_in_finally_has_its_context(api):
    @api.tool
    def fail():
        try:
            raise KeyError("first")
        finally:
            raise ValueError("second")

    with pytest.raises(ValueError) as caught:
        fail()
    assert isinstance(caught.value.__context__, KeyError)


def test_methods_of_every_kind(api):
    class Desk:
        @api.tool
        def method(self, x):
            return self, x

        @classmethod
        @api.tool
        def of_class(cls, x):
            return cls, x

        @staticmethod
        @api.tool
        def static(x):
            return x

        @property
        @api.step
        def shown(self):
            return "shown"

        @functools.cached_property
        @api.step
        def kept(self):
            return object()

    desk = Desk()
    assert desk.method(1) == (desk, 1)
    assert Desk.of_class(2) == desk.of_class(2) == (Desk, 2)
    assert Desk.static(3) == desk.static(3) == 3
    assert desk.shown == "shown"
    assert desk.kept is desk.kept
    bound = desk.method
    assert bound(4) == (desk, 4)
    names = sorted(span.name for span in api.spans())
    assert names == ["kept", "method", "method", "of_class", "of_class", "shown", "static", "static"]


def test_dataclasses_abstract_methods_and_overrides(api):
    class Base(abc.ABC):
        @abc.abstractmethod
        @api.tool
        def run(self):
            """Run."""

    @dataclasses.dataclass
    class Child(Base):
        x: int

        @api.tool
        def run(self):
            return super().run() or self.x

    with pytest.raises(TypeError):
        Base()
    assert Child(5).run() == 5
    outer, inner = sorted(api.many("run", 2), key=lambda span: span.start_ns)
    assert inner.parent == outer.id


def test_partials_lambdas_builtins_and_callable_objects(api):
    class Callable:
        def __call__(self, x):
            return x + 1

    assert api.tool(functools.partial(pow, 2))(3) == 8
    assert api.tool(lambda x: x)(4) == 4
    assert api.tool(len)("abc") == 3
    assert api.tool(Callable())(1) == 2
    assert len(api.spans()) == 4


def test_other_decorators_above_and_below(api):
    def doubling(function):
        @functools.wraps(function)
        def wrapper(*args):
            return 2 * function(*args)

        return wrapper

    @api.tool
    @doubling
    def below(x):
        return x

    @doubling
    @api.tool
    def above(x):
        return x

    @functools.cache
    @api.tool
    def cached(x):
        return x

    @functools.singledispatch
    @api.tool
    def single(x):
        return "any"

    @single.register
    @api.tool
    def _(x: int):
        return "int"

    assert (below(2), above(3), cached(4), cached(4)) == (4, 6, 4, 4)
    assert (single("s"), single(1)) == ("any", "int")
    assert sorted(span.name for span in api.spans()) == ["_", "above", "below", "cached", "single"]


def test_decorated_twice_is_two_spans(api):
    @api.agent
    @api.step
    def twice():
        return 1

    assert twice() == 1
    first, second = sorted(api.many("twice", 2), key=lambda span: (span.start_ns, bool(span.parent)))
    assert {first.parent, second.parent} == {"", first.id}


def test_copies_and_weak_references(api):
    decorated = api.tool(lambda x: x)
    assert copy.copy(decorated)(1) == copy.deepcopy(decorated)(1) == 1
    assert weakref.ref(decorated)() is decorated


def test_a_function_of_a_module_can_be_pickled(api, monkeypatch):
    decorated = api.tool(plain)
    monkeypatch.setitem(globals(), "plain", decorated)
    assert pickle.loads(pickle.dumps(decorated)) is decorated


def test_async_context_managers_and_iterators_keep_working(api):
    class Resource:
        @api.step
        async def __aenter__(self):
            return self

        @api.step
        async def __aexit__(self, *error):
            return True

    async def main():
        async with Resource():
            raise ValueError
        return "handled"

    assert asyncio.run(main()) == "handled"
    assert {span.state for span in api.spans()} == {"ok"}
