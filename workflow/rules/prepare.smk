# One rule a data set, because how many splits it has is one of its settings.
for name, folder in FOLDERS.items():

    rule:
        name:
            f"prepare_{name}"
        output:
            index=f"results/data/{name}/index.csv",
            rejected=f"results/data/{name}/rejected.csv",
            listed=f"results/data/{name}/listed.csv",
            store=f"results/data/{name}/store.json",
            splits=[f"results/data/{name}/split{k}.csv" for k in split_numbers(name)],
        log:
            f"results/{STUDY.study}/logs/prepare/{name}.log",
        conda:
            "../../environment.yml"
        threads: all_threads
        params:
            # Not passed on: lets Snakemake see that a value this stage reads has changed.
            settings=settings(*PREPARE_READS, data=name),
            data=name,
            folder=folder or "",
            output_dir=subpath(output.index, parent=True),
        shell:
            """
            python -m hdc.prepare data={params.data:q} folder={params.folder:q} \
                output_dir={params.output_dir:q} >{log:q} 2>&1
            """
