rule finetune:
    """Train an encoder and a linear head on labels, and test them on the split."""
    input:
        lambda wildcards: prepared(wildcards.data, wildcards.split, seen(wildcards)),
        encoder=encoder,
        again=again("finetune"),
    output:
        **STAGES["finetune"].patterns,
    log:
        STAGES["finetune"].log,
    group:
        group_of("finetune")
    conda:
        ENVIRONMENT
    threads: threads_of("finetune")
    resources:
        gpu=one_gpu,
        mem_mb=memory("finetune"),
        runtime=minutes("finetune"),
    params:
        settings=settings(*FINETUNE_READS),
        of_study=of_study(*FINETUNE_READS),
        scale=STUDY.scale,
        protocol=STUDY.protocol,
        allow=ALLOW,
        output_dir=subpath(output.record, parent=True),
    shell:
        """
        exec python -m hdc.finetune scale={params.scale:q} data={wildcards.data:q} \
            backbone={wildcards.backbone:q} ablation={wildcards.ablation:q} \
            seed={wildcards.seed:q} encoder={input.encoder:q} \
            prepared=results/data/{wildcards.data:q} split={wildcards.split:q} \
            protocol={params.protocol:q} {params.allow} {params.of_study} \
            output_dir={params.output_dir:q} >{log:q} 2>&1
        """


rule embed:
    """Compute the features of every video of a data set by a frozen encoder."""
    input:
        lambda wildcards: prepared(wildcards.data, inputs=seen(wildcards)),
        encoder=encoder,
        again=again("embed"),
    output:
        **STAGES["embed"].patterns,
    log:
        STAGES["embed"].log,
    group:
        group_of("embed")
    conda:
        ENVIRONMENT
    threads: threads_of("embed")
    resources:
        gpu=one_gpu,
        mem_mb=memory("embed"),
        runtime=minutes("embed"),
    params:
        settings=settings(*EMBED_READS),
        of_study=of_study(*EMBED_READS),
        scale=STUDY.scale,
        protocol=STUDY.protocol,
        output_dir=subpath(output.features, parent=True),
    shell:
        """
        exec python -m hdc.embed scale={params.scale:q} data={wildcards.data:q} \
            backbone={wildcards.backbone:q} ablation={wildcards.ablation:q} \
            encoder={input.encoder:q} prepared=results/data/{wildcards.data:q} \
            protocol={params.protocol:q} {params.of_study} \
            output_dir={params.output_dir:q} >{log:q} 2>&1
        """


rule evaluate:
    """Retrieval, kNN and linear probes on the features of one split."""
    input:
        lambda wildcards: prepared(wildcards.data, wildcards.split),
        encoder=encoder,
        features=STAGES["embed"].patterns["features"],
        again=again("evaluate"),
    output:
        **STAGES["evaluate"].patterns,
    log:
        STAGES["evaluate"].log,
    group:
        group_of("evaluate")
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        mem_mb=memory("evaluate"),
        runtime=minutes("evaluate"),
    params:
        settings=settings(*EVALUATE_READS),
        of_study=of_study(*EVALUATE_READS),
        scale=STUDY.scale,
        allow=ALLOW,
        output_dir=subpath(output.record, parent=True),
    shell:
        """
        exec python -m hdc.evaluate scale={params.scale:q} data={wildcards.data:q} \
            ablation={wildcards.ablation:q} seed={wildcards.seed:q} encoder={input.encoder:q} \
            features={input.features:q} prepared=results/data/{wildcards.data:q} \
            split={wildcards.split:q} {params.allow} {params.of_study} \
            output_dir={params.output_dir:q} >{log:q} 2>&1
        """
