"""For whom, under which experiment, handed over by whom, and what was worth a note."""

import mlobs


@mlobs.tool
def leaf():
    return None


def one(sink, name):
    assert mlobs.flush()
    return sink.named(name)[0]


def test_scopes_around_each_other_add_up(sink):
    """A request has a session, a user and several experiments at once."""

    @mlobs.llm(model="m", prompt="static@1")
    def ask():
        leaf()

    with (
        mlobs.session("c-1", tags={"tier": "gold"}),
        mlobs.experiment("tone", "warm", prompt="support@12"),
        mlobs.experiment("index", "b"),
        mlobs.session(user="ana"),
    ):
        ask()
    tool, model = one(sink, "execute_tool leaf"), one(sink, "chat m")
    for span in (tool, model):
        about = span.attributes
        assert (about["session.id"], about["user.id"], about["mlobs.tag.tier"]) == ("c-1", "ana", "gold")
        assert (about["mlobs.experiment.tone"], about["mlobs.experiment.index"]) == ("warm", "b")
    assert "gen_ai.prompt.name" not in tool.attributes
    assert (model.attributes["gen_ai.prompt.name"], model.attributes["gen_ai.prompt.version"]) == (
        "static",
        "1",
    )


def test_agents_name_who_called_them_and_tools_whose_they_are(sink):
    """Who handed over to whom is the first question about a run of several agents."""

    @mlobs.agent
    def billing():
        leaf()

    @mlobs.agent(version="3")
    def desk():
        mlobs.handoff("billing", reason="it is about money")
        billing()

    desk()
    inner, outer = one(sink, "invoke_agent billing"), one(sink, "invoke_agent desk")
    assert inner.attributes["mlobs.agent.caller"] == "desk"
    assert one(sink, "execute_tool leaf").attributes["gen_ai.agent.name"] == "billing"
    assert outer.attributes["mlobs.version"] == "3"
    [(name, about)] = outer.events
    assert (name, about) == (
        "mlobs.handoff",
        {
            "mlobs.handoff.from": "desk",
            "mlobs.handoff.to": "billing",
            "mlobs.handoff.reason": "it is about money",
        },
    )


def test_notes_are_no_errors(sink):
    """Handled exceptions are worth seeing, and nobody is to be paged for them."""

    @mlobs.tool
    def careful():
        mlobs.note("cache was cold", size=3)
        try:
            raise TimeoutError("with password=hunter2000")  # noqa: TRY301 # as programs do
        except TimeoutError as error:
            mlobs.note("tried again", error=error)

    mlobs.note("outside of any call")
    careful()
    span = one(sink, "execute_tool careful")
    assert (span.status, "error.type" in span.attributes) == (0, False)
    (first, about), (second, told) = span.events
    assert (first, about) == ("mlobs.note", {"size": 3, "mlobs.note.text": "cache was cold"})
    assert (second, told["exception.type"], told["mlobs.handled"]) == ("exception", "TimeoutError", True)
    assert told["exception.message"] == "with password=[removed: secret]"


def test_guardrails_and_evaluators_say_what_they_found(sink):
    """Return values that mean something are on the span."""

    @mlobs.guardrail
    def polite(text):
        return "please" in text

    @mlobs.evaluator
    def length(text):
        return len(text)

    polite("now"), polite("please")
    length("four")
    assert mlobs.flush()
    verdicts = [
        span.attributes["mlobs.guardrail.verdict"] for span in sink.named("guardrail polite", count=2)
    ]
    assert sorted(verdicts) == ["block", "pass"]
    about = one(sink, "evaluator length").attributes
    assert (about["gen_ai.evaluation.name"], about["gen_ai.evaluation.score.value"]) == ("length", 4.0)


def test_memory_operations_have_the_conventions_names(sink):
    """What was done is the span's name."""

    @mlobs.memory(operation="upsert_memory", provider="pg")
    def remember(text):
        return None

    remember("x")
    about = one(sink, "upsert_memory").attributes
    assert (about["gen_ai.operation.name"], about["gen_ai.provider.name"]) == ("upsert_memory", "pg")
