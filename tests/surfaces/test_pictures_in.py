"""Sources and masks from the upload to the finished picture: API and worker over one truth."""

import httpx2
from bombs import saved
from PIL import Image, ImageDraw
from servers.local import start_local_api, start_local_worker


def picture():
    image = Image.new("RGB", (640, 480), (90, 160, 200))
    ImageDraw.Draw(image).ellipse((200, 120, 440, 360), fill=(220, 120, 40))
    return saved(image, "JPEG")


def mask():
    image = Image.new("L", (320, 240), 0)
    ImageDraw.Draw(image).rectangle((100, 60, 220, 180), fill=255)
    return saved(image, "PNG")


def test_pictures_go_in_and_come_out(tmp_path, clean_redis):
    """An upload is a source, another a mask, and the picture that was made of them is the source of the next."""
    with start_local_api(tmp_path / "var", clean_redis) as api, start_local_worker(api.settings) as work:

        def made(**fields):
            """The finished picture of a request: its job's id, and its status."""
            answer = api.post({"action": "generate", "prompt": "red coat", "seed": 1, **fields}).json()
            assert "warnings" not in answer, answer
            work(answer["id"])
            return answer["id"], api.post({"action": "status", "id": answer["id"]}).json()

        def upload(body):
            key = {"Authorization": f"Bearer {api.key}"}
            return httpx2.post(f"{api.url}/api/v2/upload", content=body, headers=key).json()["image"]

        source = upload(picture())
        job_id, status = made(image=source, mask=upload(mask()), image_strength=0.5)
        assert (status["status"], status["meta"]["compliance"]) == ("COMPLETED", "safe")
        assert (status["meta"]["width"], status["meta"]["height"]) == (1152, 896)
        for output in ("avif", "webp", "png"):
            job_id, status = made(image=job_id, format=output)
            assert (status["status"], status["meta"]["format"]) == ("COMPLETED", output)
            assert (status["meta"]["width"], status["meta"]["height"]) == (1152, 896)
