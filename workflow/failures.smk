"""What is done when jobs of a study have failed."""

import os
import subprocess

from hdc.runtime.atomic_files import write_text

REPORT_SECONDS = 1800  # that the report of a study that failed may take


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
