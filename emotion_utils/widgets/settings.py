"""A setting of a widget, which its own check looks at whatever it is given."""

import traitlets


class Setting(traitlets.Any):
    """Any value that the widget's validator lets pass; `traitlets.Any` would let None pass unseen."""

    allow_none = False
