"""Portrait Loupe: framing, identity, lens and honest comparison of portraits, for ComfyUI."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    # The only way to the host. Nothing above it needs ComfyUI, so tests and pip can import us.
    from .nodes.extension import Loupe

    return Loupe()
