from hdc.data.official.addresses import DATASETS, ELSEWHERE

# Last those that a person has to fetch, which must not stop the others.
FETCHED = sorted(
    (STUDY.lists(name) in ELSEWHERE, STUDY.lists(name), folder)
    for name, folder in STUDY.data.items()
    if STUDY.lists(name) in (*DATASETS, *ELSEWHERE)
)

if not FETCHED:
    refuse("data: expected a published data set to download, found none")


rule download:
    """Fetch and unpack the study's published data sets; runs only when it is asked for by name."""
    log:
        f"results/{STUDY.study}/logs/download.log",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        commands=" && ".join(
            f"python -m hdc.download {name} {shlex.quote(folder)}" for _, name, folder in FETCHED
        ),
    shell:
        "( {params.commands} ) | tee {log:q}"  # the progress bar goes past the log
