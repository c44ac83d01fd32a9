"""How to run a config without Vibe check: code of transformers, or of llama.cpp for a GGUF file as
it is, that loads and decodes just it.

Where weights come from and how they are quantised is one entry each; a test holds the quantisers
here to those of the engine, and runs the code.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent

from vibecore.catalog.chat import THINKING_SWITCHES
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.gguf import GGUF
from vibecore.catalog.made_gguf import CONVERTER, QUANTISER
from vibecore.catalog.precisions import LLAMA_CPP_PACKAGE, PRECISIONS, Precision
from vibecore.catalog.weight_formats import TORCHAO_INT4_GROUP
from vibecore.core.records import Decoding, Protocol
from vibecore.core.rows import RunRow

# How a published study decoded: it says so in its note.
PUBLISHED = Protocol(device="cuda")
EXAMPLE = "Write a Python function that returns the n-th prime number."
# The folder that a GGUF file's dequantised weights are written to, to be quantised anew.
DEQUANTISED = "dequantised"
NATIVE_SAMPLES = (
    "llama.cpp draws its random numbers otherwise than Vibe check: the same distribution, other "
    "answers."
)
NATIVE_CHAT = (
    "llama.cpp renders the chat template and reads the prompt by itself; Vibe check gives it the "
    "token ids that transformers makes."
)
# Of those that a run records, the ones that decide which tokens come out.
PACKAGES = ("torch", "transformers", "bitsandbytes", "torchao", "optimum-quanto")


@dataclass(frozen=True)
class Snippet:
    """`code` for a fresh Python process, and in `notes` what of it is not as the study had it."""

    code: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Quantiser:
    """A `quantization_config` as code: an expression, the lines that import what it names (of
    transformers, by name alone), and the packages it takes."""

    expression: str
    from_transformers: str
    packages: tuple[str, ...]
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """Where a model is loaded from: its place, further arguments of from_pretrained, and what to
    know of it."""

    place: str
    arguments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _llm_int8(precision: Precision, _: str) -> Quantiser:
    threshold = f"llm_int8_threshold={precision.outlier_threshold}"
    return Quantiser(
        f"BitsAndBytesConfig(load_in_8bit=True, {threshold})",
        "BitsAndBytesConfig",
        ("bitsandbytes",),
    )


def _nf4(precision: Precision, _: str) -> Quantiser:
    return Quantiser(
        "BitsAndBytesConfig(\n"
        "    load_in_4bit=True,\n"
        '    bnb_4bit_quant_type="nf4",\n'
        f"    bnb_4bit_compute_dtype=torch.{precision.dtype},\n"
        ")",
        "BitsAndBytesConfig",
        ("bitsandbytes",),
    )


def _torchao_int8(_: Precision, __: str) -> Quantiser:
    return _torchao("Int8WeightOnlyConfig")


def _torchao_int8_dynamic(_: Precision, device: str) -> Quantiser:
    reduced = f'should_reduce_range(torch.device("{device}"))'
    found = _torchao("Int8DynamicActivationInt8WeightConfig", f"reduce_range={reduced}")
    return replace(found, imports=(*found.imports, "from torchao.utils import should_reduce_range"))


def _torchao_float8(_: Precision, __: str) -> Quantiser:
    return _torchao("Float8WeightOnlyConfig")


def _torchao_int4(_: Precision, device: str) -> Quantiser:
    group = f"group_size={TORCHAO_INT4_GROUP}"
    if device == "cpu":
        place = "torchao.prototype.quantization.int4"
        return _torchao("PrototypeInt4WeightOnlyConfig", group, place=place)
    layout = 'int4_packing_format="tile_packed_to_4d"'
    return _torchao("Int4WeightOnlyConfig", group, layout)


def _torchao(config: str, *arguments: str, place: str = "torchao.quantization") -> Quantiser:
    inner = _call(config, [*arguments, "set_inductor_config=False"], width=70)
    return Quantiser(
        _call("TorchAoConfig", [inner]),
        "TorchAoConfig",
        ("torchao",),
        (f"from {place} import {config}",),
    )


def _quanto(precision: Precision, _: str) -> Quantiser:
    expression = f'QuantoConfig(weights="int{precision.bits}")'
    return Quantiser(expression, "QuantoConfig", ("optimum-quanto",))


# method of a precision -> its quantiser on a device; plain ones, and a folder's own, have none.
QUANTISERS: Mapping[str, Callable[[Precision, str], Quantiser]] = {
    "llm-int8": _llm_int8,
    "bnb-nf4": _nf4,
    "torchao-int8": _torchao_int8,
    "torchao-int8-dynamic": _torchao_int8_dynamic,
    "torchao-float8": _torchao_float8,
    "torchao-int4": _torchao_int4,
    "quanto-int8": _quanto,
    "quanto-int4": _quanto,
    "quanto-int2": _quanto,
}


def _hub(run: RunRow) -> _Source:
    if run.revision:
        return _Source(run.source, (f"revision={_text(run.revision)}",))
    note = "The study does not say which revision it loaded; this loads the hub's newest."
    if run.published_prompts is not None:
        note = (
            "The report names neither the revision, nor the type it computed in, nor its stop "
            "tokens: here they are the hub's newest, bfloat16 and the model's own."
        )
    return _Source(run.source, (), (note,))


def _local(run: RunRow) -> _Source:
    note = "The path is that of the machine the study ran on; put your own copy's in its place."
    if run.weights_sha256:
        note += f" The study's weights have SHA-256 {run.weights_sha256[:12]}…"
    return _Source(run.source, (), () if Path(run.source).exists() else (note,))


def _demo(run: RunRow) -> _Source:
    return _Source(str(DEMO_MODELS_DIR / Path(run.source).name))


def _gguf(run: RunRow) -> _Source:
    path = Path(run.source)
    found = _local(run)
    note = (
        "transformers reads a GGUF file's header by itself, where Vibe check has a reader of its "
        "own: long-context scaling and stop tokens may differ."
    )
    return _Source(str(path.parent), (f"gguf_file={_text(path.name)}",), (*found.notes, note))


# `weights` of a run -> where its model is; random ones are nowhere.
SOURCES: Mapping[str, Callable[[RunRow], _Source]] = {
    "hub": _hub,
    "local": _local,
    "demo": _demo,
    "gguf": _gguf,
}


def snippet_of(run: RunRow, protocol: Protocol | None, prompt: str = EXAMPLE) -> Snippet | None:
    """Code that loads a config as its run did and decodes `prompt` as its study's protocol says
    (None: a published study). None for random weights, which have nothing to run."""
    if run.weights not in SOURCES:
        return None
    protocol = protocol or PUBLISHED
    if run.environment.get("engine") == LLAMA_CPP:
        return _native_snippet(run, protocol, prompt)
    source, precision = SOURCES[run.weights](run), PRECISIONS[run.precision]
    make = QUANTISERS.get(precision.method)
    quantiser = make(precision, protocol.device) if make else None
    blocks = [
        _imports(run, precision, quantiser, _samples(run, protocol)),
        _load(run, source, precision, quantiser, protocol.device),
        _only_stop_tokens(run),
        _ask(run, prompt),
        *([_sampler(protocol)] if _samples(run, protocol) else []),
        _generate(run, protocol),
    ]
    return Snippet("\n\n".join(blocks) + "\n", (*source.notes, *_differs(run, protocol)))


def _native_snippet(run: RunRow, protocol: Protocol, prompt: str) -> Snippet:
    """A GGUF file as it is, by the package that engine `llama.cpp` calls."""
    package = LLAMA_CPP_PACKAGE.package
    used = (run.environment.get("packages") or {}).get(package)
    chat, system = run.environment.get("chat_template"), run.environment.get("system")
    before = [] if system is None else [f'{{"role": "system", "content": {_text(system)}}}']
    messages = _call("", [*before, '{"role": "user", "content": prompt}'], ends=("[", "]"))
    decoding = protocol.decoding
    asked = {
        "messages" if chat else "prompt": messages if chat else "prompt",
        "max_tokens": protocol.max_new_tokens,
        "temperature": decoding.temperature or 0,
        **(
            {"top_p": decoding.top_p, "top_k": 0, "min_p": 0, "seed": decoding.seed}
            if decoding.sampled
            else {}
        ),
    }
    fields = [f"{_text(name)}: {value}" for name, value in asked.items()]
    if (thinking := run.environment.get("thinking")) is not None:
        switches = ", ".join(f'"{switch}": {thinking == "on"}' for switch in THINKING_SWITCHES)
        fields.append(f'"chat_template_kwargs": {{{switches}}}')
    handle = "handle_chat_completions" if chat else "handle_completions"
    answer = (
        'answer["choices"][0]["message"]["content"]' if chat else 'answer["choices"][0]["text"]'
    )
    path, made_by = _native_file(run)
    code = "\n".join(
        [
            f"# pip install {package}",
            *([f"# The study ran {package} {used}."] if used else []),
            *made_by,
            "import xllamacpp",
            "",
            "parameters = xllamacpp.CommonParams()",
            f"parameters.model.path = {_text(path)}",
            "parameters.n_parallel = 1",
            f"parameters.n_gpu_layers = {999 if protocol.device == 'cuda' else 0}",
            "server = xllamacpp.Server(parameters)",
            "",
            f"prompt = {_text(prompt)}",
            f"answer = server.{handle}(",
            indent(_call("", fields, ends=("{", "}")), "    "),
            ")",
            f"print({answer})",
            "",
        ]
    )
    differs = [NATIVE_SAMPLES] if decoding.sampled else []
    differs += [NATIVE_CHAT] if chat else []
    return Snippet(code, (*_local(run).notes, *differs, *_differs(run, protocol)))


def _native_file(run: RunRow) -> tuple[str, list[str]]:
    """The GGUF file that a run is of, and the commands, in comments, that make it where it was made
    of a folder."""
    type_ = PRECISIONS[run.precision].gguf_type
    if type_ is None or run.stored_as == f"gguf {type_.name}":
        return run.source, []
    name = Path(run.source).stem if run.weights == "gguf" else Path(run.source).name
    made, commands = f"{name}-{type_.name}.gguf", []
    plain, folder = f"{name}-BF16.gguf", name if run.weights == "hub" else run.source
    if run.weights == "hub":
        revision = ["--revision", run.revision] if run.revision else []
        commands.append(["hf", "download", run.source, *revision, "--local-dir", folder])
    if run.weights == "gguf":
        plain = run.source
    else:
        commands.append([CONVERTER, folder, "--outtype", "bf16", "--outfile", plain])
    commands.append([QUANTISER, plain, made, type_.name])
    told = "# The file is made with llama.cpp's own tools:"
    return made, [told, *(f"# {shlex.join(words)}" for words in commands)]


def _samples(run: RunRow, protocol: Protocol) -> bool:
    """Whether tokens are sampled as the engines do now; runs from before record no sampler, and
    left it to `generate`."""
    return protocol.decoding.temperature is not None and "sampler" in run.environment


def _imports(run: RunRow, precision: Precision, quantiser: Quantiser | None, samples: bool) -> str:
    packages = ["torch", "transformers", "accelerate", *(quantiser.packages if quantiser else ())]
    if precision.as_stored and precision.requirement:
        packages.append(precision.requirement.package)
    names = ["AutoModelForCausalLM", "AutoTokenizer", "GenerationConfig"]
    if quantiser:
        names.append(quantiser.from_transformers)
    if run.weights == "gguf":
        names.append("GgufConfig")
        packages.append(GGUF.package)
    if samples:
        names += ["LogitsProcessor", "LogitsProcessorList", "TopPLogitsWarper"]
    used = run.environment.get("packages") or {}
    versions = [f"{name} {used[name]}" for name in PACKAGES if name in packages and used.get(name)]
    return "\n".join(
        [
            f"# pip install {' '.join(packages)}",
            *([f"# The study ran {', '.join(versions)}."] if versions else []),
            "import torch",
            *(quantiser.imports if quantiser else ()),
            _call("from transformers import ", sorted(names), ends=("", "")),
        ]
    )


def _load(
    run: RunRow, source: _Source, precision: Precision, quantiser: Quantiser | None, device: str
) -> str:
    dtype = 'dtype="auto"' if precision.as_stored else f"dtype=torch.{precision.dtype}"
    quantised = [f"quantization_config={quantiser.expression}"] if quantiser else []
    place = [f"device_map={_text(device)}"]
    tokenizer = _call("tokenizer = AutoTokenizer.from_pretrained", ["source", *source.arguments])
    lines = [f"source = {_text(source.place)}", tokenizer]
    load = "model = AutoModelForCausalLM.from_pretrained"
    if run.weights == "gguf":
        plain = [dtype, "quantization_config=GgufConfig(dequantize=True)"]
        first = ["source", *source.arguments, *plain, *([] if quantiser else place)]
        lines.append(_call(load, first))
        if quantiser is None:
            return "\n".join(lines)
        lines += [
            "# Its weights in 16 bit, written down and loaded again at the study's precision",
            f"model.save_pretrained({_text(DEQUANTISED)})",
            _call(load, [_text(DEQUANTISED), dtype, *place, *quantised]),
        ]
        return "\n".join(lines)
    return "\n".join(
        [*lines, _call(load, ["source", *source.arguments, dtype, *place, *quantised])]
    )


def _only_stop_tokens(run: RunRow) -> str:
    stop_tokens = run.environment.get("stop_tokens")
    pad = (run.environment.get("decoding") or {}).get("pad_token_id")
    if stop_tokens is None:
        # Not recorded by a published report, nor by the first versions.
        arguments = [
            "eos_token_id=model.generation_config.eos_token_id",
            "pad_token_id=tokenizer.pad_token_id",
        ]
    else:
        arguments = [f"eos_token_id={list(stop_tokens) or None}", f"pad_token_id={pad}"]
    return "\n".join(
        [
            "# Of the model's own generation settings only the stop tokens",
            _call("model.generation_config = GenerationConfig", arguments),
        ]
    )


def _ask(run: RunRow, prompt: str) -> str:
    lines = [f"prompt = {_text(prompt)}"]
    # A run that does not say was asked in plain text (analysis.asked).
    if not run.environment.get("chat_template"):
        lines.append('inputs = tokenizer(prompt, return_tensors="pt").to(model.device)')
        return "\n".join(lines)
    system, thinking = run.environment.get("system"), run.environment.get("thinking")
    message = '{"role": "user", "content": prompt}'
    before = [] if system is None else [f'{{"role": "system", "content": {_text(system)}}}']
    lines.append(_call("messages = ", [*before, message], ends=("[", "]")))
    switches = [] if thinking is None else [f"{s}={thinking == 'on'}" for s in THINKING_SWITCHES]
    arguments = [
        "messages",
        "add_generation_prompt=True",
        *switches,
        "return_dict=True",
        'return_tensors="pt"',
    ]
    lines.append(_call("inputs = tokenizer.apply_chat_template", arguments))
    lines.append("inputs = inputs.to(model.device)")
    return "\n".join(lines)


def _sampler(protocol: Protocol) -> str:
    """Leaves of each step's tokens the one that a random number stands for."""
    decoding, tokens = protocol.decoding, protocol.max_new_tokens
    return f"""\
generator = torch.Generator().manual_seed({decoding.seed})
numbers = iter(torch.rand({tokens}, generator=generator, dtype=torch.float64).tolist())


class Sampler(LogitsProcessor):
    def __call__(self, input_ids, scores):
        kept = TopPLogitsWarper({decoding.top_p})(input_ids, scores / {decoding.temperature})
        ends = kept.double().softmax(-1).cumsum(-1)
        token = (ends <= next(numbers) * ends[:, -1:]).sum(-1, keepdim=True)
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)"""


def _generate(run: RunRow, protocol: Protocol) -> str:
    samples = _samples(run, protocol)
    how = ["do_sample=False", "logits_processor=LogitsProcessorList([Sampler()])"]
    arguments = [
        'inputs["input_ids"]',
        'attention_mask=inputs["attention_mask"]',
        *(how if samples else _decoding(protocol.decoding)),
        f"max_new_tokens={protocol.max_new_tokens}",
    ]
    seed = protocol.decoding.temperature is not None and not samples
    return "\n".join(
        [
            *([f"torch.manual_seed({protocol.decoding.seed})"] if seed else []),
            _call("output = model.generate", arguments),
            'new_tokens = output[0, inputs["input_ids"].shape[1] :]',
            "print(tokenizer.decode(new_tokens, skip_special_tokens=True))",
        ]
    )


def _decoding(decoding: Decoding) -> list[str]:
    if decoding.temperature is None:
        return ["do_sample=False"]
    return [
        "do_sample=True",
        f"temperature={decoding.temperature}",
        f"top_p={decoding.top_p}",
        "top_k=0",
    ]


def _differs(run: RunRow, protocol: Protocol) -> list[str]:
    """What of the study this code does not do."""
    notes = []
    engine = run.environment.get("engine") or protocol.engine
    if engine not in ("eager", LLAMA_CPP):
        notes.append(
            f"The study decoded with Vibe check's engine {engine}. This is transformers' generate: "
            "the same weights and the same rule for the next token, but other kernels, so speeds "
            "are not the study's, and an answer can take another turn."
        )
    if protocol.batch_size > 1:
        notes.append(
            f"The study decoded {protocol.batch_size} prompts at a time, this one: an answer can "
            "differ in bfloat16, and the speed is another."
        )
    if protocol.samples > 1:
        notes.append(f"This is the first of {protocol.samples} samples a prompt.")
    if run.kind == "thinking":
        notes.append("It prints the reasoning before the answer, too.")
    return notes


def _call(
    before: str, arguments: Sequence[str], *, width: int = 88, ends: tuple[str, str] = ("(", ")")
) -> str:
    """A call on one line where it fits, else an argument a line; an argument may have several."""
    opening, closing = ends
    line = f"{before}{opening}{', '.join(arguments)}{closing}"
    if len(line) <= width and "\n" not in line:
        return line
    opening, closing = (opening, closing) if opening else ("(", ")")
    inner = "".join(indent(f"{each},\n", "    ") for each in arguments)
    return f"{before}{opening}\n{inner}{closing}"


def _text(text: str) -> str:
    """A text as Python writes it; JSON's strings are Python's."""
    return json.dumps(text, ensure_ascii=False)
