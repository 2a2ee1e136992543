"""Problem of a request of the playground or of Studio: one sentence beside the form, which stays as it is."""

from starlette.requests import Request
from starlette.responses import Response

from imgen.domain.errors import ImgenError
from imgen.surfaces.surface import status_of
from imgen.surfaces.web.shell import Shell


def problem(shell: Shell, request: Request, error: ImgenError, text: str) -> Response:
    """Answers with an error in one sentence, for its place beside the form."""
    status = status_of(type(error))
    response = shell.page(request, "playground_problem.html", status=status, problem=text, warnings=())
    response.headers.update({"HX-Retarget": "#problem", "HX-Reswap": "innerHTML"})
    return response
