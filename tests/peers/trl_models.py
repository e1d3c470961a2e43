"""The smallest real models that TRL's trainers accept, built in memory, and a record of what their losses do to each token.

Nothing of TRL's code is here: its trainers are run as their users run them, on a GPT-2 of one layer with random weights, and the
gradient that arrives at each token's log-probability is read off. Minus that gradient is the token's coefficient.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ["<pad>", "<eos>", *"abcdef"]
VOCABULARY = {word: i for i, word in enumerate(WORDS)}


def tokenizer() -> Any:
    """A tokenizer of six letters; few, so that responses end early and have many lengths."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(WordLevel(VOCABULARY, unk_token="<pad>"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token="<pad>", padding_side="left"
    )


def model(seed: int) -> Any:
    """A GPT-2 of one layer and sixteen dimensions, random, without dropout."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=64, n_embd=16, n_layer=1, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=1, eos_token_id=1, pad_token_id=0, initializer_range=0.4,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def beside_reference(seed: int, where: Path) -> Any:
    """A model whose reference, which the trainers load by the model's name, is another random model."""
    made = model(seed)
    model(seed + 1).save_pretrained(where / "reference")
    made.config._name_or_path = str(where / "reference")
    return made


@dataclass
class Step:
    """What one call of a loss did: arrays (responses, tokens) of the completions.

    Attributes:
        mask: 1 for a token of the response.
        log_pi: the policy's log-probabilities, when the loss was computed.
        coefficient: minus the gradient that arrived at ``log_pi``.
        inputs: what the trainer gave its loss.
    """

    mask: np.ndarray
    log_pi: np.ndarray
    coefficient: np.ndarray
    inputs: dict[str, Any]

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each response."""
        return self.mask.sum(axis=1)

    @property
    def rewards(self) -> np.ndarray:
        """The reward of each response, from its tokens: trainers may have put the responses in another order."""
        ids = self.inputs["completion_ids"].numpy()
        return np.array([reward_of(" ".join(WORDS[t] for t in row if t > 1)) for row in ids])

    @property
    def order(self) -> np.ndarray:
        """Rows such that the responses to one prompt follow each other."""
        return np.lexsort(self.inputs["prompt_ids"].numpy().T)

    def given(self, name: str) -> np.ndarray | None:
        """One of the loss's inputs, None if it is not there."""
        found = self.inputs.get(name)
        return None if found is None else found.double().numpy()


@dataclass
class Watched:
    """The steps that were taken, and the reference's log-probabilities of given responses."""

    pending: list[tuple[dict[str, Any], Any]] = field(default_factory=list)
    fixed: list[np.ndarray] = field(default_factory=list)
    last: Any = None

    def steps(self) -> list[Step]:
        """The steps, after training."""
        return [
            Step(mask_of(inputs), log_pi.detach().double().numpy(), -log_pi.grad.double().numpy(), inputs)
            for inputs, log_pi in self.pending
        ]


def mask_of(inputs: dict[str, Any]) -> np.ndarray:
    """1 for a token that the loss counts; a loss on labels or whole sequences starts at the second token."""
    if "labels" in inputs:
        return (inputs["labels"][:, 1:] != -100).double().numpy()
    mask = inputs["completion_mask"].double().numpy()
    return mask if "prompt_mask" in inputs else mask[:, 1:]


def watch(trainer_class: type, seen: Watched) -> type:
    """A subclass that runs as its parent does and remembers, for each loss, its inputs and the tokens' log-probabilities."""

    class Watching(trainer_class):  # type: ignore[misc]
        def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
            out = super()._get_per_token_logps_and_entropies(*args, **kwargs)
            if out[0].requires_grad:
                out[0].retain_grad()
                seen.last = out[0]
            return out

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            kept = dict(inputs)
            loss = super().compute_loss(model, inputs, *args, **kwargs)
            if "old_logps" in kept and self.ref_model is not None:  # RLOO: the reference went into the rewards, and is gone
                kept["ref_per_token_logps"] = self._reference(kept)
            seen.pending.append((kept, seen.last))
            return loss

        def _reference(self, inputs: Any) -> Any:
            import torch

            ids, mask = (torch.cat([inputs[f"prompt_{x}"], inputs[f"completion_{x}"]], dim=1) for x in ("ids", "mask"))
            with torch.no_grad():
                return super()._get_per_token_logps_and_entropies(self.ref_model, ids, mask, inputs["completion_ids"].size(1))[0]

    return Watching


def remember(seen: Watched) -> Any:
    """A forward hook for trainers whose models return the tokens' log-probabilities themselves."""

    def hook(_module: Any, _args: Any, output: Any) -> None:
        found = getattr(output, "log_probs", None)
        if found is not None and found.requires_grad:
            found.retain_grad()
            seen.last = found
        elif found is not None:
            seen.fixed.append(found.double().numpy())

    return hook


def reward_of(text: str) -> float:
    """0, 1/2 or 1, by the letters of a response; the same letters in another order earn the same."""
    return ((text.count("a") + 2 * text.count("b") + text.count("c")) % 3) / 2


COMMON: dict[str, Any] = {
    "report_to": [], "save_strategy": "no", "logging_strategy": "no", "use_cpu": True, "bf16": False, "disable_tqdm": True,
    "max_grad_norm": 0.0, "lr_scheduler_type": "constant", "per_device_train_batch_size": 8,
}  # fmt: skip


def train_on_prompts(trainer: type, config: type, where: Path, seed: int, **options: Any) -> Watched:
    """Run a trainer on prompts, two at a time, groups of four responses, with rewards 0, 1/2 or 1 by the response's letters."""
    from datasets import Dataset

    seen = Watched()

    def reward(completions: list[str], **_: Any) -> list[float]:
        return [reward_of(text) for text in completions]

    settings = {**COMMON, "output_dir": str(where), "seed": seed, "num_generations": 4, "max_completion_length": 9, **options}
    prompts = Dataset.from_dict({"prompt": ["c d", "e f", "a b c", "d e"]})
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        made = watch(trainer, seen)(
            model=beside_reference(seed, where), reward_funcs=reward, args=config(**settings), train_dataset=prompts,
            processing_class=tokenizer(),
        )  # fmt: skip
        made.train()
    return seen


def train_on_examples(trainer: type, config: type, where: Path, seed: int, rows: dict[str, list[str]], **options: Any) -> Watched:
    """Run a trainer for one step on given completions."""
    from datasets import Dataset

    seen = Watched()
    settings = {**COMMON, "output_dir": str(where), "seed": seed, "max_steps": 1, **options}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        policy = beside_reference(seed, where)
        policy.register_forward_hook(remember(seen))
        made = watch(trainer, seen)(
            model=policy, args=config(**settings), train_dataset=Dataset.from_dict(rows), processing_class=tokenizer()
        )
        if getattr(made, "ref_model", None) is not None:
            made.accelerator.unwrap_model(made.ref_model).register_forward_hook(remember(seen))
        made.train()
    return seen
