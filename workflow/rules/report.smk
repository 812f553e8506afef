import os
import subprocess

from hdc.reporting.contents import FIGURES, TABLES
from hdc.runtime.atomic_files import write_text

REPORT_SECONDS = 1800  # that the report of a study that failed may take

# Studies whose records the report compares with; what is not there is not waited for.
HOMES = [
    path
    for name in STUDY.home_studies
    for path in (
        f"results/{name}/report.html",
        f"results/published/{name}/study.json",
    )
    if Path(path).is_file()
]


rule plan:
    """Write down what the study runs: the report shows what of it is there."""
    input:
        again=again("plan"),
    output:
        plan=PLAN,
    log:
        "results/{study}/logs/plan.log",
    priority: 1  # before what takes hours: `hdc status` reads it
    conda:
        ENVIRONMENT
    threads: 1
    params:
        # The plan itself can be longer than a command line may be.
        study=json.dumps(config, sort_keys=True),
    shell:
        "exec python -m hdc.plan {params.study:q} {output.plan:q} > {log:q} 2>&1"


rule report:
    """Make the tables, the figures and the page, from records only."""
    input:
        plan=PLAN,
        pretrained=sorted({record_of("pretrain", STUDY.pretrained(one)) for one in EVALUATIONS}),
        homes=HOMES,
        again=again("report"),
        judged=[record_of(stage, one) for one in EVALUATIONS for stage in ("finetune", "evaluate")],
    output:
        page=report(PAGE, caption="../report/page.rst", category="Page"),
        digits=[
            report(
                f"results/{{study}}/tables/{name}.csv",
                caption="../report/table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in TABLES
        ],
        tables=expand("results/{{study}}/tables/{name}.{form}", name=TABLES, form=["md", "tex"]),
        pictures=[
            report(
                f"results/{{study}}/figures/{name}.png",
                caption="../report/figure.rst",
                category="Figures",
                labels={"figure": name},
            )
            for name in FIGURES
        ],
        figures=expand("results/{{study}}/figures/{name}.pdf", name=FIGURES),
    log:
        "results/{study}/logs/report.log",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        output_dir=subpath(output.page, parent=True),
    shell:
        "exec python -m hdc.report study={input.plan:q} output_dir={params.output_dir:q} > {log:q} 2>&1"


def report_what_is_there():
    """Make the tables, the figures and the page that were asked for, of a study of which jobs failed.

    Not by the rule, which waits for every record. The page gets a time before that of the plan: it
    is one to be made again, to Snakemake and to `hdc`.
    """
    folder = Path(f"results/{STUDY.study}")
    plan, page, log = (folder / name for name in ("study.json", "report.html", "logs/report.log"))
    unfinished = list(workflow.dag.needrun_jobs())
    if not {"report"} < {job.rule.name for job in unfinished} - {"all"} or not plan.is_file():
        return  # it was not asked for, it failed itself, or nobody knows yet of what it would be
    command = [sys.executable, "-m", "hdc.report", f"study={plan}", f"output_dir={folder}"]
    if not workflow.scheduler.failed:  # someone wants to stop, not to wait
        print(f"The report of what is there: {shlex.join(command)}", file=sys.stderr)
        return
    # What jobs made that could not run again, of other settings or files.
    outputs = (path for job in unfinished for path in job.output)
    old = [path for path in outputs if "/runs/" in path and Path(path).is_file()]
    outdated = log.with_name("outdated.txt")
    print("Jobs failed. The report is made of what is there.", file=sys.stderr, flush=True)
    try:
        write_text(outdated, "".join(f"{path}\n" for path in old))
        with log.open("w") as file:
            words = [*command, f"outdated={outdated}"]
            subprocess.run(words, stdout=file, stderr=file, timeout=REPORT_SECONDS, check=True)
        before = plan.stat().st_mtime - 1
        os.utime(page, (before, before))
        print(f"What is there and what is missing: {page}", file=sys.stderr)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"No report of what is there: {error}; see {log}", file=sys.stderr)
