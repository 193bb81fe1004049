"""MaxNumBoundingBoxes: the same number of boxes for every image.

May import core and the files of this folder.
"""

from torch.nn.functional import pad

from torchkeras.core.arguments import number, positive_int
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers.preprocessing.image.image_layer import ColorLayer


@published("layer", "keras.layers")
class MaxNumBoundingBoxes(ColorLayer):
    """Cuts the boxes of images to a number, or fills them up.

    Args:
        max_number: of boxes that each image has then.
        fill_value: number in boxes and labels that are added.
        bounding_box_format: of the boxes.

    Takes a dict of images, labels, boxes and masks; only the boxes change.

    Example:
        >>> boxes = {"boxes": torch.zeros(2, 3, 4), "labels": torch.zeros(2, 3)}
        >>> data = {"images": torch.zeros(2, 8, 8, 3), "bounding_boxes": boxes}
        >>> MaxNumBoundingBoxes(5, bounding_box_format="xyxy")(data)["bounding_boxes"]["labels"]
        tensor([[ 0.,  0.,  0., -1., -1.],
                [ 0.,  0.,  0., -1., -1.]])
    """

    max_number = field(convert=positive_int("max_number"))
    fill_value = field(-1, convert=lambda value: int(number("fill_value")(value)))

    def transform_images(self, images, transformation=None, training=True):
        return images

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        boxes, labels = (bounding_boxes[key][:, : self.max_number] for key in ("boxes", "labels"))
        missing = self.max_number - boxes.shape[1]
        return {
            **bounding_boxes,
            "boxes": pad(boxes, (0, 0, 0, missing), value=self.fill_value),
            "labels": pad(labels, (*[0] * (2 * labels.dim() - 4), 0, missing), value=self.fill_value),
        }

    def compute_output_shape(self, input_shape):
        if not isinstance(input_shape, dict) or "bounding_boxes" not in input_shape:
            return input_shape
        boxes = input_shape["bounding_boxes"]
        unknown = sorted(boxes.keys() - {"boxes", "labels"})
        if unknown:
            raise KeyError(f"Layer {self.name!r} takes 'boxes' and 'labels' in `bounding_boxes`, got {unknown} too.")
        boxes = {key: (shape[0], self.max_number, *shape[2:]) for key, shape in boxes.items()}
        return {**input_shape, "bounding_boxes": boxes}

    def get_config(self):
        config = super().get_config()
        if config["fill_value"] == -1:  # Keras never writes it
            del config["fill_value"]
        return config
