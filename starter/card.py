"""Text of the starter model's card: its data, training and limits. The scores are in the repository's README."""

TEXT = """\
# Imgen starter model

A small text-to-image model (about 7 million parameters) that draws flat illustrations: one adult figure or none, eight
places, four times of day, eight objects, two styles. With it a fresh installation follows prompts at once, without a GPU
and without a download. For anything else, configure a larger model.

- **Format**: StableDiffusion3Pipeline of diffusers, float16 safetensors. Load it with `text_encoder_3=None,
  tokenizer_3=None` and call it with `max_sequence_length=0` (it has no T5).
- **Sizes**: 1344×768, 768×1344, 1024×1024, 1216×832, 832×1216, 1152×896, 896×1152, on which it was trained; 1024×768 and
  768×1024, on which it was not, come out as well.
- **LoRA**: `loras/` has three invented characters, rank 8, attention only. Each trigger word is the file's name.

## Data
Only pictures drawn by the program `starter/draw`, with captions written by `starter/captions.py`. No photographs, no
pictures from the internet, no likeness of a living person, no works of other people. Every figure is an adult, and
clothed.

## Training
`python -m starter` trains all parts on a CPU, from random weights and fixed seeds:

- a 16× autoencoder, on crops;
- two text encoders that learn to predict the attributes in a caption;
- a small multimodal diffusion transformer, by flow matching on the encoded pictures. Until the last steps, each step
  uses half of each picture's latent tokens;
- the LoRA files.

The files here come from earlier versions of that program, run on two cores. The denoiser had 14,780 steps:

- 7,400 steps on pictures in which figures and objects had more positions than now;
- 2,700 steps on pictures with two backdrops where there is one now. The distribution of noise levels differed at first;
- 1,400 steps on the present pictures;
- 3,280 steps that began from the float16 weights of the step before them. They were the first with indirect words (`pet`,
  `gardener`), with negative prompts that name an object, and with a dress or a shirt if the caption names no clothes.
  In 1,400 of them mountains and deserts were drawn more often, because they converge slowly.

In the text encoders, `pet` and `animal` were placed by hand halfway between cat and dog. The LoRA files of
Aaliyah and Bella had 800 steps, 500 of them on the weights from 280 steps before the last; Aya's had only those 500. A
new run takes fewer denoiser steps, all on the present pictures and captions. It makes a model of the same kind, not the
same weights.

## Limits
- Vocabulary: the words in `starter/wording.py` and almost no others. Other words neither help nor do much harm.
- One figure, in the middle, seen from the front. Edges are soft, and small objects blur. No text, no detailed hands, no
  photographic styles, no sizes beside those above.
- The two styles differ in light, colours and backdrop; figures and objects are drawn the same way in both.
- Colours apply to outfit and hair; the colours of places and objects are fixed.
- The face of a full figure is small. A character's features close to it, such as Aaliyah's gold, reduce its quality.
- Mountains are misty. If the prompt does not give the haircut of a character, long hair sometimes shows below her own.

## Licence
The licence of this repository; nobody else has rights in the data or the weights.
"""
