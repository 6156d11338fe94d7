"""`recode evaluate` from prompts to files, with a scripted backend."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recode.cli.evaluate import ModelChoice, print_results, run_evaluate
from recode.errors import RecodeError, RecordError
from recode.evaluate.benchmarks import BENCHMARKS, open_benchmark
from recode.evaluate.progress import EvaluationProgress
from recode.evaluate.run import EvaluatedModel, EvaluationOptions, evaluate_on
from recode.models import Prompt
from recode.records import read_jsonl, write_jsonl

Right = Callable[[Prompt, int], str]


def options(out: Path, file: Path, **more: Any) -> EvaluationOptions:
    return EvaluationOptions(on=("humaneval",), out=out, data={"humaneval": str(file)}, **more)


@pytest.mark.usefixtures("isolated")
def test_results_and_samples_are_written(humaneval_file: Path, tmp_path: Path, scripted: Any, right: Right) -> None:
    backend = scripted(lambda prompt, sample: right(prompt, 0) if sample % 2 == 0 else "    return 'wrong'\n")
    found = evaluate_on(options(tmp_path / "out", humaneval_file, samples=4), EvaluatedModel(backend))
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == found
    values = found["humaneval"]
    assert (values["pass@1"], values["n"], values["samples"], values["unavailable"]) == (0.5, 3, 12, 0)
    assert values["pass@2"] == pytest.approx(1 - 1 / 6)
    assert values["pass@4"] == 1.0
    samples = [row for _, row in read_jsonl(tmp_path / "out" / "samples.jsonl")]
    assert [(s["id"], s["sample"], s["outcome"]) for s in samples[:2]] == [
        ("Own/0", 0, "passed"),
        ("Own/0", 1, "failed"),
    ]
    assert all(s["detail"] for s in samples if s["outcome"] == "failed")


@pytest.mark.usefixtures("isolated")
def test_a_second_run_generates_nothing_and_judges_anew(
    humaneval_file: Path, tmp_path: Path, scripted: Any, right: Right
) -> None:
    first = scripted(right)
    found = evaluate_on(options(tmp_path / "out", humaneval_file), EvaluatedModel(first))
    assert found["humaneval"]["pass@1"] == 1.0
    second = scripted(lambda prompt, sample: "never asked")
    assert evaluate_on(options(tmp_path / "out", humaneval_file), EvaluatedModel(second)) == found
    assert (len(first.asked), second.asked) == (3, [])


@pytest.mark.usefixtures("isolated")
def test_a_run_that_was_killed_goes_on(humaneval_file: Path, tmp_path: Path, scripted: Any, right: Right) -> None:
    def dies(prompt: Prompt, sample: int) -> str:
        if len(broken.asked) == 3:
            raise KeyboardInterrupt
        return right(prompt, sample)

    broken = scripted(dies)
    with pytest.raises(KeyboardInterrupt):
        evaluate_on(options(tmp_path / "out", humaneval_file), EvaluatedModel(broken))
    # The last line of a file that is being written when the power fails.
    with (tmp_path / "out" / "generations.jsonl").open("a") as file:
        file.write('{"key": "half')
    rest = scripted(right)
    found = evaluate_on(options(tmp_path / "out", humaneval_file), EvaluatedModel(rest))
    assert (found["humaneval"]["pass@1"], rest.asked) == (1.0, [(2, 0)])


@pytest.mark.usefixtures("isolated")
def test_a_limit_takes_the_same_items_every_time(
    humaneval_file: Path, tmp_path: Path, scripted: Any, right: Right
) -> None:
    found = []
    for run in ("one", "two"):
        backend = scripted(right)
        results = evaluate_on(options(tmp_path / run, humaneval_file, limit=2), EvaluatedModel(backend))
        assert results["humaneval"]["n"] == 2
        assert results["humaneval"]["missing"] == 0
        found.append([row["id"] for _, row in read_jsonl(tmp_path / run / "samples.jsonl")])
        assert len(backend.asked) == 2
    assert found[0] == found[1]
    with pytest.raises(RecodeError, match="other settings"):
        evaluate_on(options(tmp_path / "one", humaneval_file), EvaluatedModel(scripted(right)))


def test_two_models_do_not_share_a_folder(humaneval_file: Path, tmp_path: Path, scripted: Any, right: Right) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text('{"model": "another"}')
    (tmp_path / "out" / "generations.jsonl").write_text("")
    with pytest.raises(RecodeError, match="other settings; choose another folder"):
        evaluate_on(options(tmp_path / "out", humaneval_file), EvaluatedModel(scripted(right)))


@pytest.mark.usefixtures("isolated")
def test_given_completions_need_no_model(
    humaneval_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        ("Own/0", "    return 2 * x\n"),
        ("Own/1", "    return [half(x) for x in xs]\n"),
        ("Own/0", "    return 0\n"),
    ]
    rows = [{"id": name, "completion": body} for name, body in answers]
    write_jsonl(tmp_path / "given.jsonl", rows)
    given = EvaluationOptions(
        on=("humaneval",), out=tmp_path / "out", completions=tmp_path / "given.jsonl", log_samples=True
    )
    run_evaluate(given, ModelChoice(), [str(humaneval_file)])
    values = json.loads((tmp_path / "out" / "results.json").read_text())["humaneval"]
    assert (values["pass@1"], values["n"], values["missing"]) == (0.75, 2, 1)
    samples = [row for _, row in read_jsonl(tmp_path / "out" / "samples.jsonl")]
    assert [(s["id"], s["sample"], s["outcome"]) for s in samples] == [
        ("Own/0", 0, "passed"), ("Own/1", 0, "passed"), ("Own/0", 1, "failed"),
    ]  # fmt: skip
    assert "twice x" in samples[0]["prompt"]["plain"]
    assert "1 items have no completion" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "Own/9", "completion": ""}', r"given\.jsonl:2: field `id`: humaneval has no item `Own/9`"),
        ('{"id": "Own/0"}', r"given\.jsonl:2: field `completion`: a string is expected"),
        ('{"id": 3, "completion": ""}', r"given\.jsonl:2: field `id`"),
        ("[", r"given\.jsonl:2: not valid JSON"),
    ],
)
def test_a_bad_line_of_completions_is_named(line: str, says: str, humaneval_file: Path, tmp_path: Path) -> None:
    (tmp_path / "given.jsonl").write_text(f'{{"id": "Own/0", "completion": ""}}\n{line}\n')
    with pytest.raises(RecordError, match=says):
        evaluate_on(options(tmp_path / "out", humaneval_file, completions=tmp_path / "given.jsonl"), None)


def test_every_name_opens_a_benchmark_of_its_own_data() -> None:
    own = [name for name, where in BENCHMARKS.items() if where.startswith("migrations")]
    for name in own:
        benchmark = open_benchmark(name)
        assert benchmark.name == name
        assert len(benchmark.items) >= 1
        assert len({item.id for item in benchmark.items}) == len(benchmark.items)


@pytest.mark.parametrize("name", ["test_updates", "codeupdatearena"])
def test_own_data_is_found_from_any_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_benchmark(name).items
    assert (EvaluationOptions().folder / f"{name}.jsonl").is_file()


def test_unknown_names_are_one_line() -> None:
    with pytest.raises(RecodeError, match="no benchmark is called `humanevl`; choose from migrations"):
        open_benchmark("humanevl")
    with pytest.raises(RecodeError, match="nothing to evaluate: name a model"):
        run_evaluate(EvaluationOptions(on=("humaneval",), out=Path("out")), ModelChoice())


@pytest.mark.usefixtures("isolated")
def test_a_lone_surrogate_loses_nothing(humaneval_file: Path, tmp_path: Path, scripted: Any) -> None:
    backend = scripted(lambda prompt, sample: "    return '\ud83d'\n")
    found = evaluate_on(options(tmp_path / "out", humaneval_file), EvaluatedModel(backend))
    assert found["humaneval"]["pass@1"] == 0.0
    assert len(list(read_jsonl(tmp_path / "out" / "samples.jsonl"))) == 3


def test_a_mistake_at_the_beginning_takes_no_folder(humaneval_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RecodeError, match="cannot be read"):
        evaluate_on(options(tmp_path / "out", humaneval_file, completions=tmp_path / "goood.jsonl"), None)
    write_jsonl(tmp_path / "good.jsonl", [{"id": "Own/0", "completion": "a ="}])
    evaluate_on(options(tmp_path / "out", humaneval_file, completions=tmp_path / "good.jsonl"), None)


def test_other_completions_are_another_evaluation(humaneval_file: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"id": "Own/0", "completion": f"{name} ="}])
    given = options(tmp_path / "out", humaneval_file, completions=tmp_path / "a.jsonl")
    evaluate_on(given, None)
    evaluate_on(given, None)
    with pytest.raises(RecodeError, match="holds an evaluation with other settings"):
        evaluate_on(options(tmp_path / "out", humaneval_file, completions=tmp_path / "b.jsonl"), None)


@pytest.mark.parametrize(
    ("on", "data", "more", "says"),
    [
        (None, ["mine.jsonl"], {}, "say which benchmark it is for"),
        (["humaneval"], [], {"endpoint": "http://127.0.0.1:9/v1", "thinker": "recode-tiny"}, "--thinker begins the model's own answer"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    on: list[str] | None, data: list[str], more: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(RecodeError, match=says):
        run_evaluate(EvaluationOptions(on=on or (), out=tmp_path / "out"), ModelChoice("recode-tiny", **more), data)


def test_a_metric_of_fewer_items_shows_its_own_n(capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        "exact": 0.5, "execution": 1.0, "execution_n": 3, "n": 4, "intervals": {"exact": [0.2, 0.5, 0.8], "execution": [0.5, 1.0, 1.0]},
        "by": {}, "unavailable": 0, "ungradable": 2, "missing": 0,
    }  # fmt: skip
    print_results({"test_updates": values})
    printed = capsys.readouterr().out
    assert "n = 3" in printed
    assert "2 completions could not be graded" in printed


def test_progress_counts_what_an_earlier_run_had_done(
    humaneval_file: Path, tmp_path: Path, scripted: Any, right: Right, isolated: None
) -> None:
    for already in (0, 3):
        reports: list[EvaluationProgress] = []
        evaluate_on(options(tmp_path / "out", humaneval_file), EvaluatedModel(scripted(right)), reports.append)
        stages = {report.stage: [r.advance for r in reports if r.stage == report.stage] for report in reports}
        assert list(stages) == ["humaneval: completing", "humaneval: judging"]
        assert stages["humaneval: completing"][0] == already
        assert [sum(steps) for steps in stages.values()] == [3, 3]
