# Rules of its own for each data set: how many splits and parts it has is known before anything runs.
for name, source in SOURCES.items():
    changed = changes(name)
    # Where the videos lie changes nothing that is prepared, as long as their content is compared.
    named = "" if changed else source.folder
    parts = [f"{number:04d}-of-{source.shards:04d}" for number in range(1, source.shards + 1)]

    if source.shards > 1:

        rule:
            name:
                f"prepare_{name}_part"
            input:
                go_on,
            output:
                f"results/data/{name}/shards/{{shard}}-of-{source.shards:04d}.done",
            log:
                f"results/{STUDY.study}/logs/prepare/{name}/{{shard}}.log",
            wildcard_constraints:
                shard="[0-9]{4}",
            group:
                group_of_part(name, source.shards)
            conda:
                ENVIRONMENT
            threads: 1
            resources:
                mem_mb=preparing_memory,
            params:
                # Not passed on: lets Snakemake see that a value this stage reads has changed.
                settings=settings(*PREPARE_READS, data=name),
                data=name,
                folder=named,
                shards=source.shards,
                found=source.found,
                shard=lambda wildcards: int(wildcards.shard),
            shell:
                # Not a param: allowing for missing videos changes nothing that is prepared.
                f"""
                exec python -m hdc.prepare data={{params.data:q}} folder={quoted(source.folder)} \
                    output_dir=results/data/{{params.data:q}} shard={{params.shard}} \
                    shards={{params.shards}} allow_missing={str(STUDY.allow_missing).lower()} \
                    >{{log:q}} 2>&1
                """

    rule:
        name:
            f"prepare_{name}"
        input:
            [f"results/data/{name}/shards/{part}.done" for part in parts if len(parts) > 1],
            changed,
        output:
            index=f"results/data/{name}/index.csv",
            rejected=f"results/data/{name}/rejected.csv",
            listed=f"results/data/{name}/listed.csv",
            files=f"results/data/{name}/files.csv",
            store=f"results/data/{name}/store.json",
            splits=[f"results/data/{name}/split{k}.csv" for k in split_numbers(name)],
        log:
            f"results/{STUDY.study}/logs/prepare/{name}.log",
        conda:
            ENVIRONMENT
        threads: all_threads
        resources:
            mem_mb=preparing_memory,
        params:
            settings=settings(*PREPARE_READS, data=name),
            data=name,
            folder=named,
            shards=source.shards,
            found=source.found,
            output_dir=subpath(output.index, parent=True),
        shell:
            f"""
            exec python -m hdc.prepare data={{params.data:q}} folder={quoted(source.folder)} \
                output_dir={{params.output_dir:q}} shards={{params.shards}} \
                allow_missing={str(STUDY.allow_missing).lower()} >{{log:q}} 2>&1
            """


rule flow:
    """Compute the optical flow of a data set's videos, where a run sees it."""
    input:
        "results/data/{data}/store.json",
    output:
        store="results/data/{data}/flow/store.json",
    log:
        f"results/{STUDY.study}/logs/flow/{{data}}.log",
    conda:
        ENVIRONMENT
    threads: all_threads
    resources:
        mem_mb=preparing_memory,
    params:
        settings=lambda wildcards: settings("store", data=wildcards.data)(wildcards),
    shell:
        """
        exec python -m hdc.flow data={wildcards.data:q} prepared=results/data/{wildcards.data:q} \
            >{log:q} 2>&1
        """
