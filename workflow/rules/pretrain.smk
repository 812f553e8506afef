rule pretrain:
    """Train the encoder of one run, with one seed, on unlabelled videos, or take one over."""
    input:
        lambda wildcards: prepared(*part_of(wildcards.pretrained_on), learned_from(wildcards)),
        measured=measured,
        adopted=adopted,
        again=again("pretrain"),
    output:
        **STAGES["pretrain"].patterns,
    log:
        STAGES["pretrain"].log,
    group:
        group_of("pretrain")
    conda:
        ENVIRONMENT
    threads: threads_of("pretrain")
    resources:
        gpu=pretraining_gpus,
        mem_mb=memory("pretrain"),
        runtime=minutes("pretrain"),
    params:
        settings=settings(*PRETRAIN_READS),
        of_study=of_study(*PRETRAIN_READS),
        scale=STUDY.scale,
        data=lambda wildcards: part_of(wildcards.pretrained_on)[0],
        split=lambda wildcards: part_of(wildcards.pretrained_on)[1] or "",
        measured=lambda wildcards, input: input.get("measured", ""),
        allow_copies=str(STUDY.allow_copies).lower(),
        output_dir=subpath(output.encoder, parent=True),
    shell:
        """
        exec python -m hdc.pretrain scale={params.scale:q} data={params.data:q} \
            backbone={wildcards.backbone:q} ablation={wildcards.ablation:q} \
            seed={wildcards.seed:q} prepared=results/data/{params.data:q} split={params.split:q} \
            measured={params.measured:q} allow_copies={params.allow_copies} \
            {params.of_study} \
            output_dir={params.output_dir:q} >{log:q} 2>&1
        """
