"""Model card: the shipped model's abilities and limits. Scores stand in the repository's README."""

TEXT = """\
# Imgen starter model

A small text-to-image model (about 7 million parameters) that draws flat illustrations: one adult figure or none, eight
places, four times of day, eight things, two styles. It is there so that a fresh installation makes pictures that follow
the prompt at once, without a GPU and without a download. For anything else, configure a larger model.

- **Layout**: StableDiffusion3Pipeline of diffusers, float16 safetensors; load it with `text_encoder_3=None,
  tokenizer_3=None` and call it with `max_sequence_length=0` (it has no T5).
- **Sizes**: 1344×768, 768×1344, 1024×1024, 1216×832, 832×1216, 1152×896, 896×1152.
- **LoRA**: `loras/` holds three invented characters, rank 8, attention only; their triggers are the files' names.

## Data
Only pictures that the program `starter/draw` draws, with captions that `starter/captions.py` writes. No photographs, no
pictures from the net, no living person's likeness, no one's works. Every figure is an adult, and clothed.

## Training
`python -m starter` trains all parts from random weights, from fixed seeds, on a CPU: a 16× autoencoder on crops, two
text encoders that learn to name what a caption tells, a small multimodal diffusion transformer by flow matching on the
encoded pictures, half of each picture's places at a time until the last steps, and the LoRA files.

The files here were made by that program while it grew, on two cores, in 14,780 steps of the denoiser: the first 7,400 on
pictures in which figures and things stood in more places, the next 2,700 on pictures with two backdrops where there is one
now, with other shares of noise at first, the next 1,400 on the pictures of now; the last 3,280 began from the float16 weights
of the step before and were the first with words that hint (`pet`, `gardener`), with negative prompts that name a thing, and
with a dress or a shirt where nothing is said; in 1,400 of them mountains and deserts, slow to settle, were drawn more often.
In the text encoders, `pet` and `animal` were put halfway between cat and dog by hand. The LoRA files of Aaliyah and Bella had
800 steps, 500 of them on the weights 280 steps before the last; Aya's had those 500. A new run takes fewer steps of the
denoiser, all of them on the pictures and captions of now, and makes a model of the same kind, not the same numbers.

## Limits
- It knows the words in `starter/wording.py` and close to nothing else; other words neither help nor do much harm.
- One figure, in the middle, seen from the front; edges are soft, and small things blur. No text, no hands worth
  the name, no photographic looks, no other sizes.
- The two styles differ in light, colours and backdrop; figures and things are drawn the same way in both.
- Colours hold for outfit and hair; the colours of things and places are fixed.
- A full figure's face is small; where a character's marks lie beside it, as Aaliyah's gold does, it suffers.
- Mountains are misty, and where nothing is said of a character's cut, some long hair shows below her own.

## Licence
That of the repository it comes with; nobody else has rights in data or weights.
"""
