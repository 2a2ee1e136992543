"""Wording: the words for each value of a scene, the plain one first in each row. Tables only; `captions` joins them."""

Words = dict[str, tuple[str, ...]]
"""Words by value of a scene's field."""

PLACES: Words = {
    "beach": ("beach", "on the beach", "at the beach", "sea", "by the sea", "at the seaside", "ocean", "by the ocean",
        "on the shore", "coast", "on a pier", "at a harbour", "on a ferry deck", "island"),
    "forest": ("forest", "in a forest", "in the forest", "woods", "in the woods", "woodland", "pine forest",
        "bamboo grove", "birch forest", "orchard", "jungle", "wilderness"),
    "park": ("park", "in a park", "in the park", "garden", "in a garden", "meadow", "lawn", "field",
        "in a rose garden", "green hills", "in a vineyard", "in a wheat field", "countryside"),
    "mountain": ("mountain", "mountains", "in the mountains", "alps", "peaks", "mountain path", "cliff path",
        "valley", "mountain view", "high summit"),
    "desert": ("desert", "in the desert", "dunes", "sand dunes", "canyon", "cactus", "sahara", "arid land"),
    "snow": ("snow", "in the snow", "snowy landscape", "winter", "winter landscape", "ice", "frozen field",
        "snowy forest", "glacier"),
    "city": ("city", "in the city", "in a city", "street", "on a city street", "town", "downtown", "urban",
        "buildings", "skyline", "on a rooftop", "village square", "at a bus stop", "at a train station",
        "market square"),
    "room": ("room", "in a room", "living room", "interior", "indoors", "inside a house", "at home", "in a library",
        "in a café", "in a bookshop", "in a workshop", "in a museum hall", "kitchen", "at a window", "office",
        "studio"),
}  # fmt: skip
TIMES: Words = {
    "morning": ("morning", "in the morning", "early morning", "dawn", "at dawn", "sunrise", "at sunrise",
        "soft morning light", "spring morning"),
    "day": ("day", "by day", "daytime", "noon", "at noon", "midday", "bright day", "sunny", "sunny day", "daylight",
        "blue sky", "summer day"),
    "sunset": ("sunset", "at sunset", "dusk", "at dusk", "evening", "in the evening", "golden hour", "late afternoon",
        "warm evening light", "twilight", "summer evening"),
    "night": ("night", "at night", "midnight", "at midnight", "moonlight", "dark night", "moonlit", "nighttime",
        "under the moon", "blue hour"),
}  # fmt: skip
STYLES: Words = {
    "professional": ("clean lines", "balanced composition", "professional", "even light", "clear subject",
        "tidy background", "flat light"),
    "cinematic": ("cinematic light", "wide shot", "cinematic", "film still", "low sun", "long shadows", "depth",
        "strong silhouette", "dramatic light"),
}  # fmt: skip
QUALITY_TAGS = {
    "professional": "clean lines, balanced composition",
    "cinematic": "cinematic light, wide shot",
}
"""Quality tags that `config/models.toml` adds to every prompt, word for word."""
SHOTS: Words = {
    "full": ("full body", "full figure", "whole body", "head to toe", "full length"),
    "portrait": ("portrait", "close up", "close-up", "close-up portrait", "head and shoulders", "face", "headshot"),
    "none": ("landscape", "no people", "scenery", "nobody", "empty scene", "view"),
}
PEOPLE: Words = {
    "woman": ("woman", "a woman", "adult woman", "lady", "a lady", "young woman", "elderly woman", "businesswoman",
        "she", "female"),
    "man": ("man", "a man", "adult man", "gentleman", "a gentleman", "young man", "elderly man", "businessman", "he",
        "male"),
}  # fmt: skip
ANYBODY = ("person", "a person", "somebody", "adult", "figure", "a painter", "a baker", "a violinist", "an architect",
           "a librarian", "a sailor", "a pilot", "a tailor", "a professor", "a chef", "an astronomer")  # fmt: skip
"""Words for a figure of any kind."""
HATTED = ("gardener", "farmer", "tourist", "cowboy", "beekeeper")
"""Words for people of whom two of five wear a hat, twice as many as usual: a negative `hat` can remove it."""
PETS = ("pet", "animal", "a pet")
"""Words for a cat, or half as often for a dog: a negative `cat` can remove it."""
DYES: Words = {
    "red": ("red", "crimson", "scarlet", "burgundy"),
    "orange": ("orange", "amber"),
    "yellow": ("yellow", "mustard"),
    "green": ("green", "emerald"),
    "blue": ("blue", "navy", "indigo"),
    "purple": ("purple", "violet"),
    "white": ("white", "cream"),
    "black": ("black", "dark"),
}
CLOTHES: Words = {
    "coat": ("coat", "long coat", "trench coat", "raincoat", "jacket", "parka", "cardigan", "cloak"),
    "dress": ("dress", "gown", "evening gown", "summer dress", "skirt"),
    "suit": ("suit", "business suit", "blazer", "tuxedo", "suit and tie"),
    "shirt": ("shirt", "t-shirt", "blouse", "sweater", "linen shirt", "jersey", "turtleneck"),
}
ANY_CLOTHES = ("clothes", "outfit", "clothing")
HAIRS: Words = {
    "black": ("black", "raven", "jet black"),
    "brown": ("brown", "chestnut", "brunette"),
    "blond": ("blond", "blonde", "golden", "fair"),
    "red": ("red", "ginger", "auburn"),
    "grey": ("grey", "gray", "silver"),
    "pink": ("pink",),
    "blue": ("blue",),
}
CUTS: Words = {
    "long": ("long", "straight long"),
    "short": ("short", "cropped"),
    "curly": ("curly", "afro", "frizzy"),
    "bun": ("bun", "updo"),
}
SKINS: Words = {
    "pale": ("pale", "fair", "light"),
    "tan": ("tan", "tanned", "olive"),
    "brown": ("brown", "medium brown"),
    "dark": ("dark", "deep", "ebony"),
}
POSES: Words = {
    "standing": ("standing", "stands", "standing still", "upright"),
    "walking": ("walking", "walks", "strolling", "on a walk", "striding"),
    "waving": ("waving", "waves", "raised hand", "greeting", "hello"),
    "confident": ("confident", "hands on hips", "confident pose", "proud"),
}
GLASSES = ("glasses", "wearing glasses", "spectacles", "eyeglasses", "with glasses")
HATS = ("hat", "wearing a hat", "straw hat", "sun hat", "with a hat", "brimmed hat")
THINGS: Words = {
    "cat": ("cat", "a cat", "ginger cat", "kitten", "with a cat"),
    "dog": ("dog", "a dog", "puppy", "brown dog", "with a dog"),
    "tree": ("tree", "a tree", "leafy tree", "green tree", "oak"),
    "lamp": ("lamp", "a lamp", "street lamp", "lantern", "lamppost"),
    "bench": ("bench", "a bench", "wooden bench", "park bench"),
    "bicycle": ("bicycle", "a bicycle", "bike", "a bike", "turquoise bicycle"),
    "balloon": ("balloon", "a balloon", "pink balloon", "with a balloon"),
    "umbrella": ("umbrella", "an umbrella", "parasol", "under an umbrella"),
}
SAYING_NOTHING = (
    "beautiful", "detailed", "masterpiece", "best quality", "high quality", "sharp focus", "highly detailed", "8k",
    "photo", "a photo of", "picture of", "illustration", "painting", "drawing", "art", "artwork", "photograph",
    "happy", "smiling", "calm", "quiet", "serious", "elegant", "lovely", "charming", "gentle", "old", "modern", "simple",
    "soft light", "warm light", "natural light", "peaceful mood", "atmosphere", "colorful", "vivid", "minimal", "scene",
    "looking at the camera", "view from the front", "april", "october", "spring", "autumn", "weekend", "music", "book",
    "holding a cup", "thoughtful", "wind", "bokeh", "50mm", "subtle texture", "rich tones", "graceful", "in france",
)  # fmt: skip
"""Words without effect, like most words of people's prompts to so small a model."""
UNWANTED = (
    "blurry",
    "low quality",
    "clutter",
    "flat light",
    "ugly",
    "bad anatomy",
    "watermark",
    "text",
    "worst quality",
)
"""Usual terms of negative prompts; trained with any picture, so that they mean no prompt."""
NOTHING = ("", "blurry, low quality", "blurry, low quality, clutter", "blurry, low quality, flat light")
"""Empty prompt, also as `config/models.toml` completes it."""

JOINS = ("a an the and with in on at of by from to wearing dressed wears has hair skin who is there under near style "
         "blonde-haired haired tied up one two three not no without aaliyah aya bella")  # fmt: skip


def every_word() -> str:
    """Joins all words of the tables, separated by spaces, for the tokenizer."""
    tables = (PLACES, TIMES, STYLES, SHOTS, PEOPLE, DYES, CLOTHES, HAIRS, CUTS, SKINS, POSES, THINGS)
    phrases = [phrase for table in tables for row in table.values() for phrase in row]
    phrases += [*ANYBODY, *HATTED, *PETS, *ANY_CLOTHES, *GLASSES, *HATS, *SAYING_NOTHING, *UNWANTED, JOINS]
    return " ".join(" ".join(phrases).replace("-", " ").replace(",", " ").split())
