"""Real trainers over exported files, one step each: a process of its own, in whatever environment has TRL.

    python trainers.py sft FILE | prompt-completion FILE | dpo FILE | kto FILE

A two-layer model with a tokenizer of bytes is made on the spot; nothing is downloaded.
"""

from __future__ import annotations

import os
import sys
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="", WANDB_DISABLED="true")

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tiny():
    """(model, tokenizer)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(["<pad>", "</s>", *letters])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="</s>")
    tokenizer.chat_template = TEMPLATE
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=8192, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(config), tokenizer


def train(form: str, path: str) -> float:
    """The loss of one step."""
    import trl
    from datasets import load_dataset

    model, tokenizer = tiny()
    with tempfile.TemporaryDirectory() as folder:
        rows = load_dataset(
            "parquet" if path.endswith(".parquet") else "json", data_files=path, split="train", cache_dir=folder
        )
        common = {
            "output_dir": folder, "max_steps": 1, "per_device_train_batch_size": 2, "use_cpu": True, "bf16": False,
            "report_to": "none", "logging_steps": 1, "save_strategy": "no", "max_length": 8192,
        }  # fmt: skip
        if form in {"sft", "prompt-completion"}:
            trainer = trl.SFTTrainer(
                model=model, args=trl.SFTConfig(**common), train_dataset=rows, processing_class=tokenizer
            )
        elif form == "dpo":
            trainer = trl.DPOTrainer(
                model=model,
                ref_model=tiny()[0],
                args=trl.DPOConfig(**common),
                train_dataset=rows,
                processing_class=tokenizer,
            )
        else:
            kto = getattr(trl, "KTOTrainer", None), getattr(trl, "KTOConfig", None)
            if None in kto:
                from trl.experimental.kto import KTOConfig, KTOTrainer

                kto = KTOTrainer, KTOConfig
            trainer = kto[0](
                model=model, ref_model=tiny()[0], args=kto[1](**common), train_dataset=rows, processing_class=tokenizer
            )
        if form == "prompt-completion":
            check_mask(trainer)
        return trainer.train().training_loss


def check_mask(trainer) -> None:
    """The prompt is not trained on."""
    batch = next(iter(trainer.get_train_dataloader()))
    labels = batch["labels"]
    assert (labels == -100).any()
    assert (labels != -100).any()


if __name__ == "__main__":
    print("loss", train(*sys.argv[1:]))
