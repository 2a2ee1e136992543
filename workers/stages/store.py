"""Storage of the finished files, under keys of job and fence: a second attempt never overwrites a first."""

from dataclasses import replace

from imgen.domain.outcome import StoredImage
from imgen.provenance.encoding import EXTENSIONS, MIME
from workers.picture import Context, Picture


def store(picture: Picture, context: Context) -> Picture:
    """Uploads picture, manifest store and thumbnail. A picture that is not safe gets another folder and no thumbnail."""
    job, format_name = context.job, context.job.recipe.output.format
    is_safe = picture.verdict is not None and picture.verdict.safe
    folder = f"{'pictures' if is_safe else 'withheld'}/{job.tenant_id}/{job.gen_id}/{job.fence}"
    stem = f"{job.gen_id}_{picture.fingerprint}_00001"
    files = [("signed", f"{stem}{EXTENSIONS[format_name]}", picture.encoded)]
    if is_safe:
        files.append(("thumbnail", f"{stem}_thumb{EXTENSIONS[format_name]}", picture.thumbnail))
    context.resources.objects.put(f"{folder}/{stem}.c2pa", picture.manifest_store, "application/c2pa")
    for _, filename, body in files:
        context.resources.objects.put(f"{folder}/{filename}", body, MIME[format_name])
    images = tuple(StoredImage(key=f"{folder}/{name}", filename=name, type=kind) for kind, name, _ in files)
    return replace(picture, images=images)
