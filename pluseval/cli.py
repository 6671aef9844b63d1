"""The command line: ``validate synthesize run release compare book evaluate``.

Heavy parts are imported inside the commands, so that ``pluseval --help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pluseval.errors import PlusevalError


def _exit_codes() -> str:
    """One line per exit code, from the errors that carry them."""
    kinds, left = [], [PlusevalError]
    while left:
        kinds.append(left.pop())
        left += kinds[-1].__subclasses__()
    first = [(kind.__doc__ or "").strip().split("\n")[0].split(";")[0].replace("`", "") for kind in kinds]
    words = {kind.exit_code: line for kind, line in zip(kinds, first, strict=True)}
    words |= {0: "Done.", 2: "Wrong usage: an option or argument that does not exist or is missing."}
    # The mark keeps the help from joining the lines.
    return "\b\nExit codes:\n" + "\n".join(f"  {n:>2}  {words[n].rstrip('.')}" for n in sorted(words))


app = typer.Typer(
    name="pluseval",
    help="Evaluate GP practices of the future on the Triple Aim: health, experienced quality and costs.",
    epilog=_exit_codes(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

DataOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="A study folder or the folder of Vektis downloads; may be given twice. "
        "Default: the embedded synthetic study.",
    ),
]
PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", help="The analysis plan (TOML). Default: the project's analyses/plan.toml."),
]


class Kind(StrEnum):
    """What kind of synthetic study is made."""

    planted = "planted"
    conditioned = "conditioned"


def _version(value: bool) -> None:
    if value:
        from pluseval import __version__

        typer.echo(f"pluseval {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Evaluate GP practices of the future on the Triple Aim: health, experienced quality and costs."""


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="A study folder, or a folder of Vektis downloads.")],
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="What the columns and codes of a real extract mean (TOML). Default: mapping.toml of the "
            "folder. Its keys: the page 'Your own data' of the book."
        ),
    ] = None,
) -> None:
    """Check data against the contract: every failure at once, as table, column, rule and count.

    The report goes to standard output, one line about failures to standard error. Exit code 0: valid;
    3: a folder or table is not there; 4: a file cannot be read; 5: the data break the contract.
    """
    from pluseval.data.load import public_summary
    from pluseval.data.load import validate as check

    public = public_summary(path) if mapping is None else None
    if public is not None:
        typer.echo(public)
        return
    report = check(path, mapping=mapping)
    typer.echo(str(report))
    error = report.short_error(path.resolve().name)
    if error is not None:
        raise error


@app.command()
def synthesize(
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    kind: Annotated[
        Kind,
        typer.Option(
            help="planted: effects set in the generator. conditioned: practice shocks drawn so that "
            "the published figures come back; no evidence."
        ),
    ] = Kind.planted,
    seed: Annotated[int, typer.Option(help="Seed of the generator.")] = 2016,
    effects: Annotated[
        str, typer.Option(help="default, null, benefit, harm, heterogeneous, or a TOML file of effects.")
    ] = "default",
    programme: Annotated[list[str] | None, typer.Option(help="OZL, WM or MH; may be repeated.")] = None,
    treated: Annotated[int | None, typer.Option(help="Number of programme practices per programme.")] = None,
    comparators: Annotated[
        int | None, typer.Option(help="Number of comparison practices per programme.")
    ] = None,
    patients: Annotated[
        int | None, typer.Option(help="Number of enlisted patients over all practices.")
    ] = None,
) -> None:
    """Make a synthetic study with a known truth (truth.json); an earlier one there is replaced."""
    from pluseval.data.synthetic import Parameters
    from pluseval.data.synthetic import synthesize as make

    parameters = Parameters.sized(
        programmes=tuple(programme or ("OZL",)), treated=treated, comparators=comparators, patients=patients
    )
    with _progress("Synthesize") as progress:
        folder = make(
            out,
            seed=seed,
            kind=kind.value,
            parameters=parameters,
            effects=effects,
            progress=lambda done, total: progress("making practices", done, total),
        )
    typer.echo(f"{kind.value} synthetic study in {folder}; its truth is in truth.json")


@app.command()
def run(
    data: DataOption = None,
    plan: PlanOption = None,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("results"),
) -> None:
    """Run the planned evaluation and write its released results to OUT/<run>."""
    from pluseval.pipeline.run import run as evaluate_data

    with _progress("Evaluate") as progress:
        paths: list[Path | None] = list(data) if data else [None]
        done = [evaluate_data(path, plan=plan, out=out, progress=progress) for path in paths]
    for one in done:
        typer.echo(one.summary())


@app.command()
def release(
    results: Annotated[Path, typer.Argument(help="The folder of a run.")],
    to: Annotated[Path, typer.Option(help="The folder of the bundle to make.")],
    before: Annotated[
        list[Path] | None,
        typer.Option(
            help="A bundle released earlier: the difference may not reveal a few practices. May be given "
            "more than once; what stands at --to is always compared with."
        ),
    ] = None,
) -> None:
    """Turn a run into a bundle that may leave, with what was suppressed and by which rule."""
    from pluseval.pipeline.bundle import make_bundle

    typer.echo(make_bundle(results, to, released_before=before).summary())


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(help="The earlier run or bundle.")],
    new: Annotated[Path, typer.Argument(help="The later run or bundle.")],
) -> None:
    """Which numbers changed, by how much, and whether data, plan, code or environment changed."""
    from pluseval.report.compare import compare as compare_results

    typer.echo(compare_results(old, new).to_markdown())


@app.command()
def book(
    data: DataOption = None,
    plan: PlanOption = None,
    results: Annotated[
        list[Path] | None,
        typer.Option("--results", help="Released bundles to build from, where the data are not."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the book is built. Default: book/_build in a clone.")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--all", help="Build every page again.")] = False,
) -> None:
    """Evaluate where needed and build the book; warnings are errors."""
    from pluseval.pipeline.book import build_book

    with _progress("Book") as progress:
        page = build_book(data, plan=plan, results=results, out=out, rebuild=rebuild, progress=progress)
    typer.echo(f"The book is at {page}")


@app.command()
def evaluate(
    data: DataOption = None,
    plan: PlanOption = None,
    released: Annotated[
        Path | None,
        typer.Option(help="The last publication, to compare with. Default: what stands at --out."),
    ] = None,
    first: Annotated[
        bool, typer.Option("--first", help="A study that is not in the last publication is a new one.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Where bundle, comparison and book go.")] = Path("public"),
) -> None:
    """What CI does with new data: validate, run, release, compare, build; nothing stale leaves."""
    from pluseval.pipeline.evaluate import evaluate as evaluate_all

    with _progress("Evaluate") as progress:
        done = evaluate_all(data, plan=plan, released=released, first=first, out=out, progress=progress)
    typer.echo(done.summary())


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal; a line per step elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description:<48}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(title, total=None)
    seen = [""]

    def report(step: str, done: int, total: int) -> None:
        if not console.is_terminal and step != seen[0]:
            console.print(f"{title}: {step}", highlight=False)
            seen[0] = step
        bar.update(task, description=step, completed=done, total=total)

    if not console.is_terminal:
        yield report
        return
    with bar:
        yield report


def main() -> None:
    """Run the command line; an error of pluseval becomes its message and its exit code."""
    try:
        app()
    except PlusevalError as error:
        typer.echo(f"pluseval: {error}", err=True)
        sys.exit(error.exit_code)
