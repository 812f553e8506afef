rule finetune:
    """Train an encoder and a linear head on labels, and test them on the split."""
    input:
        lambda wildcards: prepared(wildcards.data, wildcards.split),
        encoder=encoder,
        again=again(
            "results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/finetune.json"
        ),
    output:
        record="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/finetune.json",
        predictions="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/predictions.csv",
        scores="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/clip_scores.safetensors",
    log:
        "results/{study}/logs/finetune/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}.log",
    conda:
        ENVIRONMENT
    threads: training_threads
    resources:
        gpu=ONE_GPU,
    params:
        settings=settings(*FINETUNE_READS),
        scale=STUDY.scale,
        protocol=STUDY.protocol,
        allow=ALLOW,
        output_dir=subpath(output.record, parent=True),
    shell:
        """
        python -m hdc.finetune scale={params.scale:q} data={wildcards.data:q} \
            backbone={wildcards.backbone:q} ablation={wildcards.ablation:q} \
            seed={wildcards.seed:q} encoder={input.encoder:q} \
            prepared=results/data/{wildcards.data:q} split={wildcards.split:q} \
            protocol={params.protocol:q} {params.allow} \
            output_dir={params.output_dir:q} >{log:q} 2>&1
        """


rule embed:
    """Compute the features of every video of a data set by a frozen encoder."""
    input:
        lambda wildcards: prepared(wildcards.data),
        encoder=encoder,
        again=again(
            "results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/features.safetensors"
        ),
    output:
        features="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/features.safetensors",
    log:
        "results/{study}/logs/embed/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}.log",
    conda:
        ENVIRONMENT
    threads: training_threads
    resources:
        gpu=ONE_GPU,
    params:
        settings=settings(*EMBED_READS),
        scale=STUDY.scale,
        protocol=STUDY.protocol,
        output_dir=subpath(output.features, parent=True),
    shell:
        """
        python -m hdc.embed scale={params.scale:q} data={wildcards.data:q} \
            backbone={wildcards.backbone:q} ablation={wildcards.ablation:q} \
            encoder={input.encoder:q} prepared=results/data/{wildcards.data:q} \
            protocol={params.protocol:q} \
            output_dir={params.output_dir:q} >{log:q} 2>&1
        """


rule evaluate:
    """Retrieval, kNN and linear probes on the features of one split."""
    input:
        lambda wildcards: prepared(wildcards.data, wildcards.split),
        encoder=encoder,
        features="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/features.safetensors",
        again=again(
            "results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/evaluate.json"
        ),
    output:
        record="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/evaluate.json",
        outcomes="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/outcomes.csv",
        map="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/map.csv",
        neighbors="results/{study}/runs/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}/neighbors.png",
    log:
        "results/{study}/logs/evaluate/{backbone}/{ablation}/seed{seed}/{pretrained_on}/{data}/split{split}.log",
    conda:
        ENVIRONMENT
    threads: training_threads
    params:
        settings=settings(*EVALUATE_READS),
        scale=STUDY.scale,
        allow=ALLOW,
        output_dir=subpath(output.record, parent=True),
    shell:
        """
        python -m hdc.evaluate scale={params.scale:q} data={wildcards.data:q} \
            ablation={wildcards.ablation:q} seed={wildcards.seed:q} encoder={input.encoder:q} \
            features={input.features:q} prepared=results/data/{wildcards.data:q} \
            split={wildcards.split:q} {params.allow} output_dir={params.output_dir:q} >{log:q} 2>&1
        """
