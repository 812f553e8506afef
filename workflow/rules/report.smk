from hdc.reporting.contents import FIGURES, TABLES

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
