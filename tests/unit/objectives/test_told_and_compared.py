"""Terms beside those of the paper: what each compares, by hand from the same embeddings."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from hdc.encoders.build import build_encoder
from hdc.losses.info_nce import info_nce
from hdc.losses.negative_cosine import negative_cosine
from hdc.losses.nt_xent import nt_xent
from hdc.objectives.self_supervised import self_supervised_task
from hdc.settings.compose import compose_run, typed

VIDEOS = 4


def task(ablation, *overrides):
    choices = {"backbone": "r3d18", "data": "synthetic_smoke", "scale": "smoke"}
    run = compose_run(ablation, **choices, overrides=overrides)
    [objective] = typed(run, "objective")
    told = {"seed": 0, "total_steps": 10, "frames": 16}
    return self_supervised_task(build_encoder(dict(run.backbone), seed=0), objective, **told)


def views(model):
    random = torch.Generator().manual_seed(0)
    return {name: torch.randn(VIDEOS, 3, 16, 16, 16, generator=random) for name in model.views}


def losses(found):
    return {term.name: term.loss.detach() for term in found.terms}


def last(encoder, head, clips):
    """Embeddings of clips at the last level, pooled over all of it."""
    return head(encoder(clips)["layer4"].mean(dim=(2, 3, 4)))


def test_a_queue_of_keys_of_the_teacher():
    model = task("moco").eval()
    clips = views(model)
    queue = model.objective.queues["temporal_layer4"].rows.clone()
    for weight in model.teacher.parameters():
        weight.mul_(1.1)  # as after some steps
    query = {
        v: last(model.encoder, model.objective.heads["temporal_layer4"], clips[v]) for v in "ac"
    }
    teacher = model.teacher
    key = {v: last(teacher["encoder"], teacher["heads"]["temporal_layer4"], clips[v]) for v in "ac"}
    expected = [info_nce(query[x], key[y], queue, temperature=0.1) for x, y in ("ac", "ca")]
    found = model(clips, [], 0)
    assert_close(losses(found)["temporal_layer4"], (sum(expected) / 2).detach())
    model.after_step(1)
    newest = model.objective.queues["temporal_layer4"].rows[: 2 * VIDEOS]
    assert_close(newest, torch.cat([key["c"], key["a"]]))


def test_predictions_of_what_the_teacher_sees():
    model = task("byol").eval()
    clips = views(model)
    made = {
        v: last(model.encoder, model.objective.heads["temporal_layer4"], clips[v]) for v in "ac"
    }
    predicted = {v: model.objective.predictors["temporal_layer4"](made[v]) for v in "ac"}
    expected = [negative_cosine(predicted[x], made[y]) for x, y in ("ac", "ca")]  # still alike
    assert_close(losses(model(clips, [], 0))["temporal_layer4"], (sum(expected) / 2).detach())


def test_other_moments_of_the_same_video_as_negatives():
    model = task("tclr_local").eval()
    clips = views(model)
    head = model.objective.heads["spatial_layer2"]
    first, second = (
        head(model.encoder(clips[v])["layer2"].mean(dim=(3, 4)).transpose(1, 2)) for v in "ab"
    )
    each = [nt_xent(first[i], second[i], temperature=0.1) for i in range(VIDEOS)]
    assert_close(losses(model(clips, [], 0))["spatial_layer2"], (sum(each) / VIDEOS).detach())


@pytest.mark.parametrize("kinds", ["[videos, times]", "[videos, c]"])
def test_several_kinds_of_negatives(kinds):
    model = task("hdc", f"objective.terms.spatial.negatives={kinds}").eval()
    clips = views(model)
    head = model.objective.heads["spatial_layer3"]
    a, b, c = (
        head(model.encoder(clips[v])["layer3"].mean(dim=(3, 4)).transpose(1, 2)) for v in "abc"
    )
    each = []
    for t in range(a.shape[1]):
        others = c[:, t].unsqueeze(1)
        if "times" in kinds:
            rest = [s for s in range(a.shape[1]) if s != t]
            others = torch.cat([a[:, rest], b[:, rest]], dim=1)
        each.append(nt_xent(a[:, t], b[:, t], others, temperature=0.1))
    expected = (sum(each) / len(each)).detach()
    assert_close(losses(model(clips, [], 0))["spatial_layer3"], expected)


def test_a_clip_run_backward_as_a_negative():
    model = task("reversed_negatives").eval()
    clips = views(model)
    head = model.objective.heads["temporal_layer4"]
    a, c, r = (last(model.encoder, head, clips[v]) for v in "acr")
    expected = nt_xent(a, c, r.unsqueeze(1), temperature=0.1)
    assert_close(losses(model(clips, [], 0))["temporal_layer4"], expected.detach())


def test_how_a_view_was_made():
    model = task("rotation_and_pace").eval()
    clips = views(model)
    made = {"r": torch.tensor([0, 1, 2, 3]), "p": torch.tensor([3, 3, 0, 1])}
    found = model(clips, [], 0, made)
    for name, view in (("rotation_layer4", "r"), ("pace_layer4", "p")):
        scores = last(model.encoder, model.objective.heads[name], clips[view])
        assert_close(losses(found)[name], F.cross_entropy(scores, made[view]).detach())
        right = (scores.argmax(dim=1) == made[view]).float().mean()
        assert_close(found.measured[f"accuracy_{name}"], right)
    assert all(term.invariance is None and term.spread is None for term in found.terms)
    assert model.facts(3)["invariance"] == {} and len(model.facts(3)["terms"]) == 6


def test_views_of_differences_and_frames_in_one_pass():
    model = task("appearance_and_motion").eval()
    clips = views(model)
    head = model.objective.heads["temporal_layer4"]
    changes = {}
    for view in "ac":
        moved = clips[view][:, :, 1:] - clips[view][:, :, :-1]
        changes[view] = torch.cat([moved[:, :, :1], moved], dim=2)
    a, c = (last(model.encoder, head, changes[view]) for view in "ac")
    found = losses(model(clips, [], 0))
    assert_close(found["temporal_layer4"], nt_xent(a, c, temperature=0.1).detach())
    assert model.encoder_facts() == {}  # judged on frames
    assert task("difference").encoder_facts() == {"sees": "difference"}


def test_the_teacher_is_the_result_where_the_settings_say_so():
    model = task("byol", "objective.export=teacher")
    assert model.result() is model.teacher["encoder"] is not model.encoder
    assert model.encoder_facts() == {"export": "teacher"}


def test_learned_weights_are_those_of_the_uncertainty():
    model = task("learned_weights").eval()
    with torch.no_grad():
        model.objective.weights.log_variance.copy_(torch.linspace(-1, 1, 6))
    found = model(views(model), [], 0)
    s = model.objective.weights.log_variance.detach()
    each = torch.stack([term.loss for term in found.terms])
    assert_close(found.loss, (torch.exp(-s) * each + s / 2).mean())
    found.loss.backward()
    expected = (0.5 - torch.exp(-s) * each.detach()) / 6
    assert_close(model.objective.weights.log_variance.grad, expected)
    assert_close(torch.stack([term.weight for term in found.terms]), torch.exp(-s))


def test_equal_gradients_change_no_loss():
    plain, equal = (task(name).eval() for name in ("hdc", "equal_gradients"))
    found = [model(views(model), [], 0).loss for model in (plain, equal)]
    assert torch.equal(*found)
    for loss in found:
        loss.backward()
    weights = [next(model.encoder.parameters()).grad for model in (plain, equal)]
    assert not torch.allclose(*weights)
