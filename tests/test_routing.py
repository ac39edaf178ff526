"""The router: which state it reads, and what it is fitted to."""

import threading

import pytest
import torch
from conftest import FAMILIES, HELLO, TOOLS, head_config, make_base, make_pair

from lafunc import LaFuncModel
from lafunc.base_lafunc import CheckpointError
from lafunc.filling_lafunc import Reader
from lafunc.output_lafunc import Stats
from lafunc.request_lafunc import MODES
from lafunc.routing_lafunc import Router, listening


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_it_reads_the_state_after_its_layer_at_the_prompts_end(family, layer):
    model = make_pair(family, router_layer=layer).model
    prompts = [[5, 6, 7, 8], [9, 10]]
    with listening() as heard:
        Reader(model.base, prompts, Stats())
    after: list[torch.Tensor] = []
    handle = model.router.source(model.base).register_forward_hook(lambda module, args, output: after.append(output))
    for prompt in prompts:
        model.base(torch.tensor([prompt]))
    handle.remove()
    decoder = model.base.get_decoder()
    assert model.router.source(model.base) is decoder.layers[layer - 1]
    expected = torch.cat([(found if isinstance(found, torch.Tensor) else found[0])[:, -1] for found in after])
    torch.testing.assert_close(heard[decoder.layers[layer - 1]], expected, rtol=1e-4, atol=1e-4)


def test_the_layer_is_at_seven_tenths_unless_the_config_says():
    assert make_pair("llama").model.router.layer == round(0.7 * 2)
    assert make_pair("llama", router_layer=2).model.router.layer == 2


@pytest.mark.parametrize("layer", [0, 3])
def test_a_layer_that_is_not_there(layer):
    base = make_base("llama", 50)
    with pytest.raises(
        CheckpointError, match=f"router_layer {layer} is none of the 2 layers of LlamaForCausalLM; leave"
    ):
        LaFuncModel.from_base(base, router_layer=layer, head_hidden_size=32, head_layers=1)


def test_two_models_over_one_base_listen_to_their_own_layers():
    pair = make_pair("llama", router_layer=1)
    other = LaFuncModel.from_base(pair.model.base, **{**head_config(pair.model), "router_layer": 2}).eval()
    pair.model.attach_base(pair.model.base)  # again
    other.router.load_state_dict(pair.model.router.state_dict())
    (one,) = [pair.call(HELLO, TOOLS, mode="auto", max_new_tokens=2).mode_probabilities]
    alone = make_pair("llama", router_layer=1)
    alone.model.base.load_state_dict(pair.model.base.state_dict())
    alone.model.router.load_state_dict(pair.model.router.state_dict())
    assert one == pytest.approx(alone.call(HELLO, TOOLS, mode="auto", max_new_tokens=2).mode_probabilities)


@torch.no_grad()
def test_a_thread_does_not_hear_another():
    model = make_pair("llama").model
    with listening() as heard:
        thread = threading.Thread(target=lambda: model.base(torch.tensor([[5, 6]])))
        thread.start()
        thread.join()
        assert heard == {}
        model.base(torch.tensor([[5, 6]]))
        assert list(heard) == [model.router.source(model.base)]
    heard.clear()
    model.base(torch.tensor([[5, 6]]))
    assert heard == {}


def test_fitting_learns_what_can_be_told_apart_and_is_the_same_each_time():
    torch.manual_seed(1)
    modes = torch.arange(300) % len(MODES)
    states = torch.randn(300, 8)
    states += 4 * torch.nn.functional.one_hot(modes, 8)
    states[:, 5] = 3000 + 900 * modes  # bases have such dimensions
    router, again = Router(8, 128, 1), Router(8, 128, 1)
    before = torch.get_rng_state()
    found = router.fit(states, modes)
    assert torch.equal(torch.get_rng_state(), before)
    assert found == {"held_out": 30, "right": 30, "called": 30} == again.fit(states.bfloat16(), modes)
    again.fit(states, modes)
    assert all(
        torch.equal(a, b) for a, b in zip(router.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_fitting_says_what_is_wrong_of_rows_it_has_not_seen():
    torch.manual_seed(1)
    modes = torch.arange(300) % len(MODES)
    assert Router(8, 16, 1).fit(torch.randn(300, 8), modes)["right"] < 20  # nothing can be learned from noise
