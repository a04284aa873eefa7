"""logstash.conf and pipelines.yml as Logstash reads them: a parser of its grammar, not Logstash itself."""

from pathlib import Path

import pytest
import yaml

from tests.ops.logstash_grammar import (
    Both,
    Branch,
    Compare,
    LogstashConfigError,
    Not,
    Plugin,
    Regexp,
    Selector,
    Truth,
    parse,
)
from tests.ops.logstash_plugins import check_plugins

ROOT = Path(__file__).resolve().parents[2]
ELASTIC = ROOT / "ops" / "elastic"
TCP = "input { tcp { port => 5000 } }"


def test_our_pipelines_are_what_logstash_can_start_with() -> None:
    main = parse((ROOT / "logstash.conf").read_text())
    assert [plugin.name for plugin in main["input"] if isinstance(plugin, Plugin)] == ["tcp", "http"]
    assert len(check_plugins(main)) == 7
    pipelines = yaml.safe_load((ELASTIC / "pipelines.yml").read_text())
    assert [pipeline["pipeline.id"] for pipeline in pipelines] == ["main", "openwatt-dead-letters"]
    dead = check_plugins(parse(pipelines[1]["config.string"]))
    assert dead[0].options["pipeline_id"] == "main"  # the queue of the first pipeline is the one that is read
    ids = [plugin.options["id"] for plugin in [*check_plugins(main), *dead]]
    assert len(set(ids)) == len(ids) == 12


def test_every_plugin_names_its_ecs_mode_and_none_floods_the_output() -> None:
    plugins = check_plugins(parse((ROOT / "logstash.conf").read_text()))
    codecs = [plugin.options["codec"] for plugin in plugins if "codec" in plugin.options]
    assert len(codecs) == 2
    for plugin in [*plugins, *codecs]:
        assert isinstance(plugin, Plugin)
        if plugin.name in {"tcp", "http", "json", "elasticsearch"}:
            assert "ecs_compatibility" in plugin.options, plugin.name
    assert {plugin.name for plugin in plugins} == {"tcp", "http", "mutate", "fingerprint", "elasticsearch"}


def test_both_inputs_listen_where_a_containers_ports_are_published_from() -> None:
    for plugin in parse((ROOT / "logstash.conf").read_text())["input"]:
        assert isinstance(plugin, Plugin)
        assert plugin.options["host"] == "0.0.0.0"  # noqa: S104  inside the container
    ports = [plugin.options["port"] for plugin in parse((ROOT / "logstash.conf").read_text())["input"]]  # type: ignore[union-attr]
    assert ports == [5000, 8080]


def test_no_secret_stands_in_the_configuration() -> None:
    for text in ((ROOT / "logstash.conf").read_text(), (ELASTIC / "pipelines.yml").read_text()):
        lines = [line for line in text.splitlines() if "password =>" in line]
        assert lines
        for line in lines:
            assert line.strip() == 'password => "${ELASTICSEARCH_PASSWORD:}"'


def test_the_queues_that_lose_nothing_are_on() -> None:
    settings = yaml.safe_load((ELASTIC / "logstash.yml").read_text())
    known = {
        "queue.type", "queue.max_bytes", "dead_letter_queue.enable", "dead_letter_queue.max_bytes",
        "dead_letter_queue.storage_policy", "dead_letter_queue.retain.age", "config.reload.automatic",
        "config.reload.interval", "api.http.host", "log.level",
    }  # fmt: skip
    assert settings.keys() == known
    assert settings["queue.type"] == "persisted"
    assert settings["dead_letter_queue.enable"] is True
    pipelines = yaml.safe_load((ELASTIC / "pipelines.yml").read_text())
    assert pipelines[1]["dead_letter_queue.enable"] is False  # or each refusal would go round for ever


def test_the_grammar_knows_conditions_values_and_comments() -> None:
    sections = parse(
        """# before
        filter { # beside
          if [a][b] == "x" and !([c] in ["d", 'e']) or ![f] { mutate { } }
          else if "t" not in [tags] { grok { match => { "message" => "%{X:y}" 1 => -2.5 } } }
          else { drop { } }
          if [path] =~ /^\\/v1\\// { ruby { code => 'a " b' } }
        } # at the end"""
    )
    branch, further = sections["filter"]
    assert isinstance(branch, Branch)
    assert isinstance(further, Branch)
    first, second, third = (case[0] for case in branch.cases)
    inner = Both(
        Compare(Selector(("a", "b")), "==", "x"),
        "and",
        Not(Compare(Selector(("c",)), "in", ["d", "e"])),
    )
    assert first == Both(inner, "or", Not(Truth(Selector(("f",)))))
    assert second == Compare("t", "not in", Selector(("tags",)))
    assert third is None
    grok = branch.cases[1][1][0]
    assert grok == Plugin("grok", {"match": {"message": "%{X:y}", "1": -2.5}})
    assert further.cases[0][0] == Compare(Selector(("path",)), "=~", Regexp("^/v1/"))


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("", "input, filter or output"),
        ("inputs { }", "input, filter or output"),
        ("input { tcp { port => 5000 }", "the name of a plugin"),
        ("input { tcp { port = 5000 } }", "=>"),
        ("input { tcp { port: 5000 } }", "=>"),
        ("input { tcp { port => } }", "a value"),
        ('input { tcp { host => "0.0.0.0 } }', "a value"),
        ("input { tcp { port => 5000, mode => server } }", "white space or }"),
        ("input { tcp { port => 50s } }", "white space or }"),
        ("input { tcp { port => 5000 port => 5001 } }", "is set already"),
        ("input { tcp port => 5000 }", "{"),
        ("filter { if [a] == { drop { } } }", "a field, a text"),
        ("filter { if [a] = 1 { drop { } } }", "{"),
        ("filter { if [a] =~ 5 { drop { } } }", "a pattern"),
        ("filter { if (a) { drop { } } }", "a field, a text"),
        ("filter { else { drop { } } }", "=>"),  # a plugin named else: that is what Logstash sees too
        ("filter { mutate { remove_field => [a b] } }", "a value|,"),
        ("filter { mutate { rename => { a => b, cc => dd } } }", "a key|a value|white space"),
        ("input { tcp { port => 5000 } } trailing", "input, filter or output"),
    ],
)
def test_what_logstash_cannot_read_is_refused_with_the_place(broken: str, expected: str) -> None:
    with pytest.raises(LogstashConfigError, match=rf"line 1: .*({expected.replace('{', '[{]')})"):
        parse(broken)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input { tcpp { port => 5000 } }", "no input plugin named tcpp"),
        ("input { tcp { port => 5000 ports => 1 } }", "unknown setting 'ports' for tcp"),
        ("input { tcp { host => 'a' } }", "tcp needs"),
        ('input { tcp { port => "many" } }', "port cannot be 'many'"),
        ("input { tcp { port => 1 tcp_keep_alive => yes } }", "tcp_keep_alive cannot be"),
        ("input { tcp { port => 1 ecs_compatibility => v9 } }", "ecs_compatibility cannot be"),
        ("input { tcp { port => 1 ssl_enable => true } }", "unknown setting 'ssl_enable'"),
        ("input { tcp { port => 1 codec => jsonlines } }", "no codec plugin named jsonlines"),
        ("input { tcp { port => 1 codec => json_lines { ecs_compatibility => v1 } } }", "unknown setting"),
        ("output { elasticsearch { document_type => 'x' } }", "unknown setting 'document_type'"),
        ("output { stdout { codec => rubydebug } }", "no output plugin named stdout"),
        ("filter { tcp { port => 1 } }", "no filter plugin named tcp"),
        (TCP.replace("5000", "1 id => 'a'") + TCP.replace("5000", "2 id => 'a'"), "two plugins have the id"),
        ("input { if [a] { tcp { port => 1 } } }", "under a condition"),
    ],
)
def test_what_a_plugin_does_not_have_is_refused(text: str, expected: str) -> None:
    with pytest.raises(LogstashConfigError, match=expected):
        check_plugins(parse(text))
