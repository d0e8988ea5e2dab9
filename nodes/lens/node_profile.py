"""The Lens Profile node, as ComfyUI sees it."""

import json

from ..host import io, model_folders, output_folder
from .catalogue import DEFAULT, find_lens, lenses
from .draw_profile import draw_profile
from .files import FOLDER, check_file_name, find_file, load_lens, save_lens
from .profile import DIFFUSIONS, VALUES, lens_from_values, measure


def _number(name, default, least, most, step, tooltip, *, advanced=True):
    return io.Float.Input(
        name, default=default, min=least, max=most, step=step, advanced=advanced, tooltip=tooltip
    )


def _output_folder():
    """The folder of saved lenses, or None where the host has no output folder."""
    saved = output_folder()
    return saved / FOLDER if saved else None


def _folders():
    saved = _output_folder()
    return [*([saved] if saved else []), *model_folders(FOLDER)]


def _saving_folder(save_as):
    """Where the lens is to be saved, or None; a wish that cannot be met is refused before the work."""
    if not save_as.strip():
        return None
    check_file_name(save_as, "save_as")
    folder = _output_folder()
    if folder is None:
        raise RuntimeError(
            "save_as needs the host's output folder, and there is none here. Empty save_as."
        )
    return folder


class LensProfile(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeLensProfile",
            display_name="Lens Profile",
            category="Loupe/lens",
            description=(
                "A lens of your own for Lens: one of the catalogue, one from its physics, or one from a "
                "file that somebody shared. Draws its point of light, its blurred lights and its MTF."
            ),
            search_aliases=[
                "psf", "mtf chart", "bokeh", "aberration", "custom lens", "lens file", "swirl", "cat eye",
            ],
            inputs=[
                io.Combo.Input(
                    "start", options=[*lenses(), VALUES], default=DEFAULT,
                    tooltip=f"A lens of the catalogue, or {VALUES!r}: only then do the numbers below count.",
                ),
                io.String.Input(
                    "load", default="",
                    tooltip=f"A lens file by its name; counts before start. It lies in models/{FOLDER} or "
                    f"output/{FOLDER}. Empty: none.",
                ),
                io.String.Input(
                    "save_as", default="",
                    tooltip=f"A file name: the lens is saved as JSON in output/{FOLDER}, beside what is there. "
                    "Empty: not saved.",
                ),
                io.String.Input("name", default="my lens", tooltip="What a lens from the values is called."),
                _number("f_number", 2.0, 0.7, 32.0, 0.1, "Focal length / opening. Aberrations are said at this "
                        "opening: stopping down does not lower them by itself.", advanced=False),
                _number("focus_um", 0.0, -2000.0, 2000.0, 1.0, "Sensor from the paraxial focus, um. Negative is "
                        "towards best focus where w040_um is positive; about -8 x N x N x w040_um is best.",
                        advanced=False),
                _number("w040_um", 0.0, -20.0, 20.0, 0.05, "Spherical aberration, um of path at the rim: glow "
                        "around a sharp core. 0.2 crisp, 2 old fast lens, 5 soft focus.", advanced=False),
                _number("w060_um", 0.0, -20.0, 20.0, 0.05, "Secondary spherical aberration, um; opposite to "
                        "w040_um it draws the glow in."),
                _number("coma_um", 0.0, -20.0, 20.0, 0.05, "In the corner, um: points grow tails, outward where "
                        "positive. 1 is a fast lens wide open."),
                _number("astigmatism_um", 0.0, -20.0, 20.0, 0.05, "In the corner, um. Negative beside a positive "
                        "field_curvature_um swirls around the centre."),
                _number("field_curvature_um", 0.0, -20.0, 20.0, 0.05, "In the corner, um: defocus that grows "
                        "outward. 2 makes a Petzval lens."),
                _number("loca_um", 0.0, 0.0, 1000.0, 1.0, "Longitudinal colour: focus moves so many um 100 nm from "
                        "green. 6 apochromat, 30 old lens, 120 toy."),
                _number("lca_um", 0.0, -100.0, 100.0, 0.5, "Lateral colour in the corner, um per 100 nm: colour "
                        "seams. 1 modern, 6 old, 20 toy."),
                _number("residual_sigma_um", 2.0, 0.0, 50.0, 0.1, "Making and film: sigma of a Gaussian blur, um."),
                io.Int.Input("blades", default=0, min=0, max=24, advanced=True,
                             tooltip="Of the iris: the shape of blurred lights. 0 is round; 1 and 2 are not possible."),
                _number("roundness", 0.0, 0.0, 1.0, 0.05, "Of the blades: 0 straight, 1 a circle."),
                _number("rotation_deg", 0.0, -180.0, 180.0, 1.0, "Turns the iris, degrees, clockwise."),
                _number("cat_eye", 0.0, 0.0, 0.9, 0.05, "Share of the opening that the barrel hides in the corner: "
                        "blurred lights become cat's eyes."),
                _number("apodisation", 0.0, 0.0, 4.0, 0.1, "A filter that darkens towards the rim: blurred lights "
                        "without edges. 1.4 is strong."),
                _number("annulus", 0.0, 0.0, 0.9, 0.05, "A disc before the middle of the lens, share of its radius: "
                        "blurred lights become rings."),
                _number("squeeze", 1.0, 1.0, 3.0, 0.05, "Anamorphic: blurred lights so many times higher than wide."),
                _number("glare", 0.0, 0.0, 0.5, 0.002, "Share of light that the glass scatters over the picture. "
                        "0.01 coated, 0.06 uncoated."),
                _number("diffusion", 0.0, 0.0, 0.8, 0.01, "Share of light that a softening filter spreads."),
                _number("diffusion_um", 100.0, 1.0, 5000.0, 5.0, "How far: scale, um. 80 softener, 200 and more mist."),
                io.Combo.Input("diffusion_shape", options=list(DIFFUSIONS), default=DIFFUSIONS[0], advanced=True,
                               tooltip="gaussian ends, as lenslets do; exponential trails off, as mist does."),
                _number("halation", 0.0, 0.0, 0.5, 0.005, "Share of red light that film throws back around "
                        "highlights; green gets a third, blue a twelfth. 0.06 shows."),
            ],
            outputs=[
                io.Custom("LOUPE_LENS").Output("lens", tooltip="For Lens and Lens Compare."),
                io.Image.Output("picture", tooltip="Points of light, blurred lights and MTF."),
                io.String.Output("report", tooltip="The figures in plain words, and what was saved."),
                io.String.Output("json", tooltip="The lens's values and its figures."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, load="", **_) -> str:
        """A lens file that has changed is read again."""
        try:
            found = find_file(load, _folders()).stat() if load.strip() else None
        except ValueError:
            return "no file"
        return f"{found.st_mtime_ns} {found.st_size}" if found else ""

    @classmethod
    def execute(
        cls, start=DEFAULT, load="", save_as="", name="my lens", coma_um=0.0, astigmatism_um=0.0,
        field_curvature_um=0.0, lca_um=0.0, f_number=2.0, **values,
    ) -> io.NodeOutput:  # fmt: skip
        folder = _saving_folder(save_as)
        if load.strip():
            lens = load_lens(load, _folders())
        elif start == VALUES:
            field = {
                "w131_um": coma_um,
                "w222_um": astigmatism_um,
                "w220_um": field_curvature_um,
                "lca_um_per_100nm": lca_um,
            }
            lens = lens_from_values(name, {"f_number": f_number, **field, **values})
        else:
            lens = find_lens(start)
        profile = measure(lens)
        picture = draw_profile(profile)
        report = profile.report()
        if folder:
            report = f"{report}\n{save_lens(lens, save_as, folder)[1]}"
        return io.NodeOutput(
            lens, picture, report, json.dumps(profile.as_json()), ui={"loupe_report": [report]}
        )
