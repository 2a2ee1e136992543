"""Storage of the finished files, under keys of job and fence: a second attempt never overwrites a first."""

from dataclasses import replace

from imgen.domain.outcome import StoredImage
from imgen.provenance.encoding import EXTENSIONS, MIME
from workers.picture import Context, Picture


def store(picture: Picture, context: Context) -> Picture:
    """Uploads picture, manifest store and thumbnail. A picture that is not safe gets another folder and no thumbnail.

    The manifest store of a safe one has a folder of its own, for it is kept longer than the picture.
    """
    job, format_name = context.job, context.job.recipe.output.format
    is_safe = picture.verdict is not None and picture.verdict.safe
    folder = f"{'pictures' if is_safe else 'withheld'}/{job.tenant_id}/{job.gen_id}/{job.fence}"
    stem = f"{job.gen_id}_{picture.fingerprint}_00001"
    files = [("signed", f"{stem}{EXTENSIONS[format_name]}", picture.encoded)]
    if is_safe:
        files.append(("thumbnail", f"{stem}_thumb{EXTENSIONS[format_name]}", picture.thumbnail))
    kept_in = f"manifests/{job.tenant_id}/{job.gen_id}/{job.fence}" if is_safe else folder
    manifest_key = f"{kept_in}/{stem}.c2pa"
    context.resources.objects.put(manifest_key, picture.manifest_store, "application/c2pa")
    for _, filename, body in files:
        context.resources.objects.put(f"{folder}/{filename}", body, MIME[format_name])
    images = tuple(StoredImage(key=f"{folder}/{name}", filename=name, type=kind) for kind, name, _ in files)
    return replace(picture, images=images, manifest_key=manifest_key)
