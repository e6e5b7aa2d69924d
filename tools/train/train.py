"""Makes the demonstration model from nothing: grammar -> espeak-ng -> FunASR's ParaformerStreaming.

    python tools/train/train.py --out demo/model                 two hours and more on two cores
    python tools/train/train.py --out demo/model --evaluate      streaming CER of the model in --out
    python tools/train/train.py --speech demo/speech             the recordings

Spoken features and checkpoints lie in --work; a run that was cut off goes on from there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.modules["torchaudio"] = None  # type: ignore[assignment]  # FunASR does without; a broken one stops it

import numpy as np  # noqa: E402

from tools.train import corpus, features, model_files, quicker  # noqa: E402
from tools.train.schedule import PHASES, PROCESSES, STRENGTHS, Step, schedule_of  # noqa: E402

AVERAGE = 0.998  # decay of the running mean of the weights, which is what is stored


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "model", help="model folder")
    parser.add_argument("--work", type=Path, default=Path("demo_train"), help="features and checkpoints (2 GB)")
    parser.add_argument("--sentences", type=int, default=28000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evaluate", action="store_true", help="measure the model in --out, train nothing")
    parser.add_argument("--count", type=int, default=150, help="sentences a condition with --evaluate")
    parser.add_argument("--speech", type=Path, help="write the recordings to this folder, train nothing")
    return parser.parse_args()


def load_batch(run: Run, step: Step, rng: np.random.Generator) -> tuple[Any, Any, Any, Any]:
    """What the model's forward takes: features, their lengths, labels padded with -1, their lengths."""
    import torch

    indices = step.batches[run.rank]
    strength = STRENGTHS[min(step.number, len(STRENGTHS) - 1)]
    utterances = [
        (features.longer(frames, step.quiet, rng), level) for frames, level in map(run.data.utterance, indices)
    ]
    speech, lengths = features.batch(utterances, run.shift, run.scale, run.bank, rng, strength)
    labels = [torch.from_numpy(run.data.labels(index)) for index in indices]
    text = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-1)
    return torch.from_numpy(speech), torch.from_numpy(lengths), text, torch.tensor([len(label) for label in labels])


def share(parameters: list[Any]) -> None:
    """The mean of the gradients over the processes, and their norm clipped at 5."""
    import torch
    import torch.distributed as dist

    flat = torch.cat([parameter.grad.reshape(-1) for parameter in parameters])
    dist.all_reduce(flat)
    flat /= PROCESSES
    flat *= min(1.0, 5.0 / (float(flat.norm()) + 1e-6))
    at = 0
    for parameter in parameters:
        parameter.grad.copy_(flat[at : at + parameter.numel()].view_as(parameter))
        at += parameter.numel()


@dataclass
class Run:
    """What one of the training processes works with. `mean` is the running mean of the weights."""

    rank: int
    seed: int
    data: corpus.Corpus
    shift: np.ndarray
    scale: np.ndarray
    bank: np.ndarray
    model: Any
    parameters: list[Any]
    optimizer: Any
    mean: dict[str, Any]


def prepare(rank: int, arguments: argparse.Namespace) -> Run:
    """Loads the corpus and makes a model with fresh weights, the same in every process."""
    import torch

    folder = arguments.work / "corpus"
    norms = np.load(folder / "cmvn.npz")
    torch.manual_seed(arguments.seed)
    model = model_files.new_model()
    model.train()
    quicker.patch()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=PHASES[0].peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    mean = {name: value.detach().clone() for name, value in model.state_dict().items()}
    bank = features.noise_bank()
    data = corpus.load(folder)
    return Run(rank, arguments.seed, data, norms["shift"], norms["scale"], bank, model, parameters, optimizer, mean)


def process(rank: int, arguments: argparse.Namespace) -> None:
    """One of the training processes; the first one writes checkpoints and the model."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    meeting = f"file://{(arguments.work / f'meeting{os.getppid()}').resolve()}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=PROCESSES)
    run = prepare(rank, arguments)
    schedule = schedule_of(run.data, arguments.seed)
    started, parent = time.time(), os.getppid()
    for number in range(resume(arguments.work, run), len(schedule)):
        told = train_on(run, schedule[number], number)
        if os.getppid() != parent:
            sys.exit("the starting process is gone")
        if rank == 0 and (number + 1) % 20 == 0:
            done = f"pass {schedule[number].number} step {number + 1}/{len(schedule)}"
            print(f"{done} {told}, {time.time() - started:.0f} s", flush=True)
        if rank == 0 and ((number + 1) % 200 == 0 or number + 1 == len(schedule)):
            save(arguments.work, run, number + 1)
    if rank == 0:
        model_files.write(arguments.out, run.mean, run.shift, run.scale)
    dist.destroy_process_group()


def train_on(run: Run, step: Step, number: int) -> str:
    """One step of the optimizer and of the running mean; returns what the log says of it."""
    import torch

    rng = np.random.default_rng([run.seed, number, run.rank])
    torch.manual_seed(run.seed * 1000003 + number)  # the same chunk size in every process
    if step.begins and number:
        run.model.load_state_dict(run.mean)
    run.model.predictor_weight = step.count_weight
    for group in run.optimizer.param_groups:
        group["lr"] = step.rate
    inputs = load_batch(run, step, rng)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, stats, _ = run.model(*inputs)
    run.optimizer.zero_grad(set_to_none=False)
    loss.backward()
    share(run.parameters)
    run.optimizer.step()
    decay = min(AVERAGE, (number + 1) / (number + 10))
    with torch.no_grad():
        state = run.model.state_dict()
        torch._foreach_lerp_(list(run.mean.values()), [state[name] for name in run.mean], 1.0 - decay)
    return "loss {:.3f} count {:.3f} accuracy {:.3f}".format(
        *(float(stats[name]) for name in ("loss_att", "loss_pre", "acc"))
    )


def save(work: Path, run: Run, done: int) -> None:
    """A checkpoint to go on from, and the model as it is now in `work`/model."""
    import torch

    saved = {
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "mean": run.mean,
        "step": done,
    }
    torch.save(saved, work / "checkpoint.new")
    os.replace(work / "checkpoint.new", work / "checkpoint.pt")
    model_files.write(work / "model", run.mean, run.shift, run.scale)


def resume(work: Path, run: Run) -> int:
    """Steps already done according to the checkpoint in `work`; 0 without one."""
    import torch

    path = work / "checkpoint.pt"
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    run.model.load_state_dict(saved["model"])
    run.optimizer.load_state_dict(saved["optimizer"])
    for name, value in saved["mean"].items():
        run.mean[name].copy_(value)
    return int(saved["step"])


def main() -> None:
    arguments = parse_arguments()
    if arguments.evaluate:
        from tools.train import evaluate

        evaluate.report(arguments.out, arguments.count)
        return
    if arguments.speech:
        from tools.train import recordings

        recordings.write(arguments.speech)
        return
    if not corpus.built(arguments.work / "corpus"):
        print(f"speaking {arguments.sentences} sentences", flush=True)
        corpus.build(arguments.work / "corpus", arguments.sentences, arguments.seed)
    import torch.multiprocessing as processes

    processes.spawn(process, (arguments,), nprocs=PROCESSES)


if __name__ == "__main__":
    main()
