"""Which tests are long, as measured: they are started first, and are not of the quick tier."""

# Files by processor time, the costliest first; any that takes more than five seconds.
LONG = (
    "stages/test_interruptions.py", "workflow/test_workflow.py", "stages/test_resume.py",
    "unit/data/synthetic/test_secrecy.py", "unit/data/synthetic/test_order.py",
    "unit/reporting/page/test_browser.py", "workflow/test_prepared_parts.py",
    "docs/test_benchmarks.py", "workflow/test_report.py", "stages/test_report.py",
    "docs/test_published_studies.py", "unit/commands/test_publish.py", "stages/test_prepare.py",
    "stages/test_adoption.py", "stages/test_giving_away.py", "unit/commands/test_embed_folder.py",
    "unit/settings/test_ablations.py", "unit/study/test_impossible_runs.py",
    "unit/study/test_study.py", "unit/reporting/figures/test_all.py",
    "unit/data/preparation/test_shards.py", "unit/study/test_outdated.py",
    "unit/settings/test_compose.py", "stages/test_stages.py", "unit/analysis/test_verdicts.py",
    "stages/test_processes.py", "golden/test_losses.py", "unit/objectives/test_large_batch.py",
    "unit/reporting/page/test_parts.py", "unit/study/test_damaged_records.py",
    "docs/test_readme.py", "docs/test_encoders.py", "unit/encoders/test_network_file.py",
    "unit/data/synthetic/test_pictures.py", "unit/data/preparation/test_sandbox.py",
    "docs/test_on_gpu.py", "unit/training/test_on_a_fake_gpu.py",
    "unit/training/test_compiling.py",
    "stages/test_embed.py", "unit/encoders/test_build.py", "unit/study/test_batch_sizes.py",
    "unit/study/test_needs.py", "unit/study/test_rates.py", "unit/study/test_groups.py",
    "workflow/test_groups.py", "unit/data/official/test_listing.py",
    "unit/backbones/test_timm2plus1d.py", "unit/test_cli.py",
    "unit/commands/test_compare.py", "unit/reporting/tables/test_all.py",
    "unit/data/preparation/test_changes.py", "unit/reporting/test_study_notes.py",
    "unit/reporting/figures/test_training.py", "unit/backbones/test_published.py",
    "unit/backbones/test_swin3d.py", "unit/backbones/test_mvit.py", "unit/backbones/test_s3d.py",
    "unit/runtime/test_gpus.py", "unit/reporting/figures/test_fonts.py",
    "unit/analysis/test_run_differences.py",
)  # fmt: skip


def rank(file: str) -> int:
    """The place of a file below tests/ among the long ones; their number if it is none."""
    return LONG.index(file) if file in LONG else len(LONG)


def quick(file: str) -> bool:
    """Whether its tests are run after every change."""
    return file.startswith("unit/") and file not in LONG
