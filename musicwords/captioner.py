"""A captioner: a small GPT-2 that reads what an audio tower heard as the first words of its text.

``audio_vectors`` takes a clip's vectors from the tower: of the whole, of bands of frequency, and of parts of time. A
mapping network turns them into a prefix, vectors that stand where the embeddings of words stand. GPT-2 goes on from
there with a caption, or with the answer to a question. GPT-2 and its tokenizer are those of transformers; here are the
mapping network and what is asked of all three.

References
----------
.. [1] R. Mokady, A. Hertz and A. H. Bermano, "ClipCap: CLIP prefix for image captioning", 2021. arXiv:2111.09734
.. [2] A. Radford, J. Wu, R. Child, D. Luan, D. Amodei and I. Sutskever, "Language models are unsupervised multitask
       learners", 2019.
"""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import GPT2LMHeadModel, GPT2Tokenizer, PreTrainedTokenizerBase

BANDS, PARTS = 4, 8
END, PAD, QUESTION, ANSWER = "<|end|>", "<|pad|>", "<|question|>", "<|answer|>"  # beside one task token a style


def audio_vectors(states: torch.Tensor, bands: int = BANDS, parts: int = PARTS) -> torch.Tensor:
    """Return what the captioner reads of clips: means of the map that an audio tower makes of each.

    Parameters
    ----------
    states : torch.Tensor, shape (clips, size, frequencies, times)
        ``last_hidden_state`` of transformers' ``ClapAudioModel``.
    bands, parts : int
        Into how many bands of frequency and parts of time the map is divided.

    Returns
    -------
    torch.Tensor, shape (clips, 1 + bands + parts, size)
        The mean over all, which is the tower's ``pooler_output``; of each band, from the lowest on; of each part.

    Raises
    ------
    ValueError
        If the map has another number of axes, or is too small to be divided so.

    Examples
    --------
    >>> audio_vectors(torch.zeros(2, 192, 4, 16)).shape
    torch.Size([2, 13, 192])
    """
    if states.ndim != 4 or states.shape[2] % bands or states.shape[3] % parts:
        raise ValueError(
            f"audio_vectors got states of shape {tuple(states.shape)} and expects (clips, size, frequencies, times) "
            f"with a multiple of {bands} frequencies and of {parts} times: give "
            "last_hidden_state of CLAP's audio_model."
        )
    by_band = states.mean(dim=3).unflatten(2, (bands, -1)).mean(dim=3)
    by_part = states.mean(dim=2).unflatten(2, (parts, -1)).mean(dim=3)
    return torch.cat([by_band.mean(dim=2, keepdim=True), by_band, by_part], dim=2).transpose(1, 2)


class PrefixMapping(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="musicwords",
    license="mit",
    paper_url="https://arxiv.org/abs/2111.09734",
):
    """A mapping network with one hidden layer, as in ClipCap [1]_, between vectors of audio and a prefix.

    The first vector, of the whole clip, becomes several vectors of the prefix, as the one embedding of ClipCap does.
    Each of the others becomes one, by a second network that they share, with a learned vector for its place added.

    Parameters
    ----------
    embedding_size : int
        Of a vector of audio.
    vectors : int
        Of a clip.
    prefix_length : int
        Vectors that the first one becomes.
    width : int
        Of GPT-2, and so of each vector of the prefix.
    hidden_size : int
        Units of the hidden layers.

    Attributes
    ----------
    mean, std : torch.Tensor, shape (vectors, embedding_size)
        Of the clips of training: vectors are standardized by them.
    no_audio : torch.Tensor, shape (vectors, embedding_size)
        Learned; stands for standardized vectors where there is no audio.
    """

    def __init__(
        self,
        embedding_size: int = 192,
        vectors: int = 1 + BANDS + PARTS,
        prefix_length: int = 8,
        width: int = 256,
        hidden_size: int = 512,
    ):
        super().__init__()
        self.prefix_length, self.width = prefix_length, width
        self.register_buffer("mean", torch.zeros(vectors, embedding_size))
        self.register_buffer("std", torch.ones(vectors, embedding_size))
        self.no_audio = nn.Parameter(torch.zeros(vectors, embedding_size))
        self.layers = nn.Sequential(
            nn.Linear(embedding_size, hidden_size), nn.GELU(), nn.Linear(hidden_size, prefix_length * width)
        )
        self.part_layers = nn.Sequential(
            nn.Linear(embedding_size, hidden_size), nn.GELU(), nn.Linear(hidden_size, width)
        )
        self.places = nn.Parameter(torch.zeros(vectors - 1, width))

    def forward(self, embeddings: torch.Tensor | None, heard: torch.Tensor | None = None) -> torch.Tensor:
        """Make prefixes.

        Parameters
        ----------
        embeddings : torch.Tensor, shape (clips, vectors, embedding_size), or None
            From ``audio_vectors``. None is one clip without audio.
        heard : torch.Tensor of bool, shape (clips,), optional
            Where it is False, the clip is taken without its audio. By default all clips are heard.

        Returns
        -------
        torch.Tensor, shape (clips, prefix_length + vectors - 1, width)

        Raises
        ------
        ValueError
            If a shape is another, there is no clip, or a vector is not finite.
        """
        if embeddings is None:
            standardized = self.no_audio[None]
        else:
            self.check(embeddings)
            standardized = (embeddings.to(self.mean) - self.mean) / self.std
        if heard is not None:
            if heard.shape != (len(standardized),):
                raise ValueError(
                    f"PrefixMapping got a mask of shape {tuple(heard.shape)} and expects ({len(standardized)},): "
                    "give one True or False for each clip."
                )
            standardized = torch.where(heard[:, None, None].to(self.mean.device), standardized, self.no_audio)
        whole = self.layers(standardized[:, 0]).unflatten(1, (self.prefix_length, self.width))
        return torch.cat([whole, self.part_layers(standardized[:, 1:]) + self.places], dim=1)

    def check(self, embeddings: torch.Tensor) -> None:
        """Raise ValueError unless embeddings are finite and of shape (clips, vectors, embedding_size)."""
        vectors, size = self.mean.shape
        if embeddings.ndim != 3 or embeddings.shape[1:] != (vectors, size) or len(embeddings) == 0:
            raise ValueError(
                f"PrefixMapping got embeddings of shape {tuple(embeddings.shape)} and expects (clips, {vectors}, "
                f"{size}) with at least one clip: take audio_vectors of what the audio tower gives, and give a "
                "single clip as embeddings[None]."
            )
        if bad := int((~torch.isfinite(embeddings)).flatten(1).any(dim=1).sum()):
            raise ValueError(
                f"PrefixMapping got {bad} clips with NaN or infinite values and expects finite ones: "
                "look at the audio of these clips, or pass None for no audio."
            )

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **options) -> "PrefixMapping":
        """Load as the mixin does, but refuse a file in which a tensor is missing, and print nothing."""
        with contextlib.redirect_stdout(io.StringIO()):
            return super()._from_pretrained(strict=strict, **options)


def question_prompt(question: str, options: Sequence[str]) -> str:
    """Return a question with its options as the captioner was trained to read them.

    Examples
    --------
    >>> question_prompt("How fast is this music?", ["slow", "medium", "fast"])
    '<|question|>How fast is this music? slow / medium / fast<|answer|>'
    """
    return f"{QUESTION}{question} {' / '.join(options)}{ANSWER}"


class Captioner:
    """A mapping network, GPT-2 and its tokenizer, which describe clips and answer questions on them.

    Parameters
    ----------
    language_model : GPT2LMHeadModel
    tokenizer : PreTrainedTokenizerBase
        With one special token for each style of captions beside those named in this module.
    mapping : PrefixMapping

    Examples
    --------
    >>> captioner = Captioner.from_pretrained(**checkpoint("captioner"))  # doctest: +SKIP
    >>> heard = audio_vectors(clap.audio_model(input_features=mels).last_hidden_state)  # doctest: +SKIP
    >>> captioner.captions(heard, task="plain")  # doctest: +SKIP
    """

    def __init__(self, language_model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, mapping: PrefixMapping):
        self.language_model, self.tokenizer, self.mapping = language_model, tokenizer, mapping

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path) -> "Captioner":
        """Load a captioner from a folder, in evaluation mode and float32.

        Raises
        ------
        FileNotFoundError
            If the folder has no mapping network, in ``mapping``.
        """
        folder = Path(pretrained_model_name_or_path)
        if not (folder / "mapping").is_dir():
            raise FileNotFoundError(
                f"There is no mapping network in {folder / 'mapping'}: give the folder of a captioner, such as "
                'Captioner.from_pretrained(**checkpoint("captioner")).'
            )
        return cls(
            GPT2LMHeadModel.from_pretrained(folder),
            GPT2Tokenizer.from_pretrained(folder),
            PrefixMapping.from_pretrained(folder / "mapping"),
        )

    def task_prompt(self, task: str) -> str:
        """Return the special token that asks for captions of a style, such as ``<|plain|>``.

        Raises
        ------
        ValueError
            If the tokenizer has no such token.
        """
        tokens = [token for token in self.tokenizer.all_special_tokens if token not in (END, PAD, QUESTION, ANSWER)]
        if (token := f"<|{task}|>") not in tokens:
            known = ", ".join(name.strip("<|>") for name in tokens)
            raise ValueError(f"the captioner got the task {task!r} and expects one of {known}.")
        return token

    def log_likelihoods(
        self, prefix: torch.Tensor, prompts: Sequence[str], texts: Sequence[str]
    ) -> tuple[torch.Tensor, ...]:
        """Return the log-probabilities of the tokens of texts, each after a prefix and a prompt.

        Parameters
        ----------
        prefix : torch.Tensor, shape (texts, vectors, width)
            From ``PrefixMapping``.
        prompts, texts : sequence of str
            What stands before each text, special tokens included, and the text.

        Returns
        -------
        tuple of torch.Tensor, each of shape (tokens + 1,)
            Natural logarithms; the last one is that of the end token.

        Raises
        ------
        ValueError
            If there are no texts, the numbers differ, or a text does not fit into GPT-2's context.
        """
        if not len(texts) or not len(prefix) == len(prompts) == len(texts):
            raise ValueError(
                f"log_likelihoods got {len(prefix)} prefixes, {len(prompts)} prompts and {len(texts)} texts and "
                "expects the same number of each, at least one."
            )
        before = self.tokenizer(list(prompts))["input_ids"]
        after = self.tokenizer([text + END for text in texts])["input_ids"]
        rows = [torch.tensor(first + last) for first, last in zip(before, after, strict=True)]
        longest = prefix.shape[1] + max(map(len, rows))
        if longest > self.language_model.config.n_positions:
            raise ValueError(
                f"log_likelihoods got a text of {longest} tokens with its prefix and prompt and expects at most "
                f"{self.language_model.config.n_positions}: shorten it."
            )
        # What fills up the short rows comes after their last token, and attention looks back only.
        tokens = pad_sequence(rows, batch_first=True).to(prefix.device)
        place = torch.arange(tokens.shape[1])
        first = torch.tensor([len(ids) for ids in before])[:, None]
        last = torch.tensor([len(ids) for ids in rows])[:, None]
        asked = ((place >= first) & (place < last)).to(prefix.device)
        inputs = torch.cat([prefix, self.language_model.get_input_embeddings()(tokens)], dim=1)
        states = self.language_model.transformer(inputs_embeds=inputs, use_cache=False).last_hidden_state
        logits = self.language_model.lm_head(states[:, prefix.shape[1] - 1 : -1][asked])  # each predicts the next token
        found = logits.float().log_softmax(dim=1).gather(1, tokens[asked][:, None])[:, 0]
        return found.split([len(ids) for ids in after])

    @torch.inference_mode()
    def captions(
        self,
        embeddings: torch.Tensor | None,
        task: str = "plain",
        sample: bool = False,
        temperature: float = 1.0,
        longest: int = 96,
        batch_size: int = 64,
    ) -> list[str]:
        """Describe clips.

        Parameters
        ----------
        embeddings : torch.Tensor, shape (clips, vectors, embedding_size), or None
            From ``audio_vectors``. None is one clip without audio.
        task : str
            A style of captions: "tags", "plain", "rich", "request", "note" or "telegraphic".
        sample : bool
            Whether to draw each token at random; otherwise the most probable one is taken.
        temperature : float
            Above 0; the logits are divided by it when tokens are drawn.
        longest : int
            Most tokens of a caption.

        Returns
        -------
        list of str
            One caption a clip.

        Raises
        ------
        ValueError
            As ``PrefixMapping.forward`` and ``task_prompt``.
        """
        token = self.language_model.get_input_embeddings()(
            torch.tensor(self.tokenizer(self.task_prompt(task))["input_ids"], device=self.mapping.mean.device)
        )
        prefixes = self.mapping(embeddings)
        drawing = {"do_sample": True, "temperature": temperature, "top_k": 0} if sample else {"do_sample": False}
        found = []
        for prefix in prefixes.split(batch_size):
            inputs = torch.cat([prefix, token.expand(len(prefix), -1, -1)], dim=1)
            tokens = self.language_model.generate(
                inputs_embeds=inputs,
                attention_mask=torch.ones(inputs.shape[:2], dtype=torch.long, device=inputs.device),
                max_new_tokens=longest,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
                **drawing,
            )
            found += self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return found

    @torch.inference_mode()
    def option_log_likelihoods(
        self,
        embeddings: torch.Tensor | None,
        questions: Sequence[str],
        options: Sequence[Sequence[str]],
        batch_size: int = 64,
    ) -> list[torch.Tensor]:
        """Say how likely each option is as the answer to a multiple-choice question.

        Parameters
        ----------
        embeddings : torch.Tensor, shape (questions, vectors, embedding_size), or None
            From ``audio_vectors``, of the clip that each question is about. None asks all questions without audio.
        questions : sequence of str
            The questions, without their options.
        options : sequence of sequence of str
            The options of each question; their numbers may differ.

        Returns
        -------
        list of torch.Tensor, each of shape (options,)
            Mean log-probability of a token of each option and its end token, natural logarithm. The largest is the
            answer.

        Raises
        ------
        ValueError
            If there are no questions, a question has no options, the numbers differ, or as ``PrefixMapping.forward``.
        """
        clips = len(questions) if embeddings is None else len(embeddings)
        if not len(questions) or not clips == len(questions) == len(options):
            raise ValueError(
                f"option_log_likelihoods got {clips} embeddings, {len(questions)} questions and options for "
                f"{len(options)} and expects the same number of each, at least one."
            )
        if empty := [number for number, some in enumerate(options) if not len(some) or isinstance(some, str)]:
            raise ValueError(
                f"option_log_likelihoods got no list of options for questions {empty} and expects at least one option "
                'for each: give a list such as ["slow", "medium", "fast"].'
            )
        rows = [
            (clip, question_prompt(question, some), option)
            for clip, (question, some) in enumerate(zip(questions, options, strict=True))
            for option in some
        ]
        prefixes = self.mapping(embeddings).expand(clips, -1, -1)
        found = torch.empty(len(rows))
        by_length = sorted(range(len(rows)), key=lambda row: len(rows[row][1]))  # so that little is filled up
        for at in range(0, len(rows), batch_size):
            picked = by_length[at : at + batch_size]
            clip, prompts, answers = zip(*(rows[row] for row in picked), strict=True)
            likelihoods = self.log_likelihoods(prefixes[list(clip)], prompts, answers)
            found[picked] = torch.stack([tokens.mean() for tokens in likelihoods]).cpu()
        return list(found.split([len(some) for some in options]))
