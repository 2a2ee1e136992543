"""Table of Studio's routes: path, handler, request, answers and words of each, for serving them and for the reference."""

from imgen.surfaces.rest_route import BY_KEY, BY_SESSION, RestRoute
from imgen.surfaces.studio import answers, generating, images, jobs, wire

OK, ACCEPTED = 200, 202
BY_ANY = (*BY_KEY, *BY_SESSION)
ROUTES: tuple[RestRoute, ...] = (
    RestRoute(
        method="POST",
        path=generating.PATH,
        handler=generating.generate,
        name="generate",
        summary="Make pictures of a source",
        description="Starts a job, or with `count` several, and answers at once. A wrong value is refused, and a refused request "
        "costs nothing.",
        security=BY_ANY,
        request=wire.StudioGenerate,
        needs_body=True,
        answers={ACCEPTED: answers.StudioAccepted},
        failures=(400, 403, 404, 409, 413, 422, 502),
        is_once=True,
    ),
    RestRoute(
        method="GET",
        path=jobs.PATH,
        handler=jobs.read,
        name="job",
        summary="Poll a job",
        description="Returns the state of a job. Poll every 5 to 10 seconds; a poll counts against the rate alone.",
        security=BY_ANY,
        answers={OK: answers.StudioJob},
        failures=(403, 404),
    ),
    RestRoute(
        method="DELETE",
        path=jobs.PATH,
        handler=jobs.cancel,
        name="cancel",
        summary="Cancel a job",
        description="Cancels a job; it is not charged. One that has ended does not change, and is answered as it is.",
        security=BY_ANY,
        answers={OK: answers.StudioJob},
        failures=(403, 404),
    ),
    RestRoute(
        method="POST",
        path=images.PATH,
        handler=images.keep,
        name="image",
        summary="Keep a source",
        description="Keeps a picture for 24 hours, to be named as `imageKey`. Its bytes are the body, or in JSON.",
        security=BY_ANY,
        request=wire.StudioUpload,
        file_types=images.FILE_TYPES,
        needs_body=True,
        answers={OK: answers.StudioImage},
        failures=(400, 403, 409, 413, 422),
        is_once=True,
    ),
)
