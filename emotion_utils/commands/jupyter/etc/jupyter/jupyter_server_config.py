"""Settings of JupyterLab's server; `start.py` copies this folder into .venv.

The notebooks do not say which Python wrote them. JupyterLab would add that, and show an untouched one as changed.
"""

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager


class Notebooks(AsyncLargeFileManager):
    """Files of this folder; a notebook comes with what this machine's kernel says of its language."""

    async def get(self, *arguments, **options):
        """Read a file, as JupyterLab asks for it."""
        model = await super().get(*arguments, **options)
        if model["type"] == "notebook" and model["content"]:
            from ipykernel.ipkernel import IPythonKernel  # which takes a while; the server is up before

            if model["content"]["metadata"].get("kernelspec", {}).get("name") == "python3":
                model["content"]["metadata"]["language_info"] = dict(IPythonKernel.language_info)
        return model


c = get_config()  # noqa: F821  (Jupyter hands it to the files of its configuration)
c.ServerApp.contents_manager_class = Notebooks
