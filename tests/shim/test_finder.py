"""Imports of Keras's names give torchkeras's own modules."""

import textwrap


def check(python, program, **files):
    result = python("-c", textwrap.dedent(program), files=files)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_spelling_gives_the_same_module(python):
    check(
        python,
        """
        import sys, torchkeras
        torchkeras.install()
        import keras
        import keras.layers as L
        import tensorflow as tf
        import tf_keras
        from keras import layers
        from tensorflow import keras as from_tensorflow
        from tensorflow.keras import models
        from tensorflow.keras.layers import Dense
        from tensorflow.python.keras import losses
        from tensorflow.python import keras as from_python
        from keras._tf_keras.keras.optimizers import Adam
        import keras.api.metrics

        assert keras is torchkeras is tf_keras is tf.keras is from_tensorflow is from_python
        assert L is layers is torchkeras.layers
        assert models is torchkeras.models and losses is torchkeras.losses
        assert Dense is torchkeras.layers.Dense and Adam is torchkeras.optimizers.Adam
        for prefix in ("keras", "tf_keras", "tensorflow.keras"):
            assert sys.modules[prefix] is torchkeras
            assert sys.modules[prefix + ".layers"] is torchkeras.layers
        """,
    )


def test_public_submodules_are_known_once_the_package_is_imported(python):
    check(
        python,
        """
        import sys, torchkeras
        torchkeras.install()
        import keras
        assert sys.modules["keras.layers"] is torchkeras.layers
        assert "keras.core" not in sys.modules and "tensorflow" not in sys.modules
        from tensorflow import constant
        assert sys.modules["tensorflow.keras.losses"] is torchkeras.losses
        """,
    )


def test_answering_modules_keep_their_identity(python):
    check(
        python,
        """
        import importlib.util, sys, torchkeras
        before = {name: (module, module.__spec__) for name, module in sys.modules.items() if "torchkeras" in name}
        torchkeras.install()
        import keras.layers, tensorflow.keras.layers
        for name, (module, spec) in before.items():
            assert sys.modules[name] is module and module.__spec__ is spec and module.__name__ == name, name
        assert torchkeras.layers.__spec__.name == "torchkeras.layers"
        assert importlib.util.find_spec("tensorflow") is not None
        """,
    )


def test_every_public_module_of_torchkeras_is_importable_under_keras(python):
    out = check(
        python,
        """
        import importlib, types, torchkeras
        torchkeras.install()
        names = [n for n, m in vars(torchkeras).items() if isinstance(m, types.ModuleType) and not n.startswith("_")]
        names = [n for n in names if getattr(torchkeras, n).__name__.startswith("torchkeras.")]
        for name in names:
            assert importlib.import_module("keras." + name) is getattr(torchkeras, name), name
            assert importlib.import_module("tensorflow.keras." + name) is getattr(torchkeras, name), name
        print(*names)
        """,
    )
    assert {"layers", "models", "losses", "optimizers", "metrics", "callbacks", "utils"} <= set(out.split())


def test_missing_names_are_named(python):
    check(
        python,
        """
        import torchkeras
        torchkeras.install()
        import keras, tensorflow as tf

        def error_of(statement):
            try:
                exec(statement, {"keras": keras, "tf": tf})
            except Exception as error:
                return error

        error = error_of("import keras.no_such_room")
        assert type(error) is ModuleNotFoundError and error.name == "keras.no_such_room", error
        assert "'keras.no_such_room'" in str(error) and "torchkeras" in str(error)
        error = error_of("from tensorflow.keras.no_such_room import thing")
        assert type(error) is ModuleNotFoundError and "'tensorflow.keras.no_such_room'" in str(error), error
        error = error_of("import tensorflow.no_such_part")
        assert type(error) is ModuleNotFoundError and "'tensorflow.no_such_part'" in str(error), error
        error = error_of("tf.no_such_name")
        assert type(error) is AttributeError and "tensorflow.no_such_name" in str(error), error
        error = error_of("from tensorflow import no_such_name")
        assert type(error) is ImportError and "tensorflow.no_such_name" in str(error), error
        error = error_of("tf.random.no_such_name")
        assert type(error) is AttributeError and "tensorflow.random.no_such_name" in str(error), error
        assert not hasattr(tf, "no_such_name")
        """,
    )


def test_names_that_only_look_alike_are_left_alone(python):
    check(
        python,
        """
        import torchkeras
        torchkeras.install()
        import keras_extra, tensorflow_extra
        assert keras_extra.VALUE == 1 and tensorflow_extra.VALUE == 2
        try:
            import keras_tuner_of_nobody
        except ModuleNotFoundError as error:
            assert str(error) == "No module named 'keras_tuner_of_nobody'"
        else:
            raise AssertionError("imported")
        """,
        **{"keras_extra.py": "VALUE = 1\n", "tensorflow_extra.py": "VALUE = 2\n"},
    )


def test_a_requirement_missing_inside_a_room_is_reported_as_itself(python):
    check(
        python,
        """
        import sys, torchkeras
        from importlib.abc import MetaPathFinder

        class Broken(MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name == "torchkeras.broken_room":
                    raise ModuleNotFoundError("No module named 'pydot'", name="pydot")

        sys.meta_path.insert(0, Broken())
        torchkeras.install()
        try:
            import keras.broken_room
        except ModuleNotFoundError as error:
            assert error.name == "pydot", error
        else:
            raise AssertionError("imported")
        """,
    )


FAKE_KERAS = {"keras/__init__.py": "from keras import layers\nREAL = True\n", "keras/layers.py": "REAL = True\n"}


def test_install_twice_and_uninstall(python):
    check(
        python,
        """
        import sys, torchkeras
        path_before = list(sys.meta_path)
        torchkeras.install()
        torchkeras.install()
        assert len(sys.meta_path) == len(path_before) + 1
        import keras, tensorflow.keras.layers
        assert keras is torchkeras
        torchkeras.uninstall()
        torchkeras.uninstall()
        assert sys.meta_path == path_before
        assert not [n for n in sys.modules if n.partition(".")[0] in ("keras", "tensorflow", "tf_keras")]
        import keras
        assert keras.REAL and keras.layers.REAL and torchkeras.layers.Dense
        """,
        **FAKE_KERAS,
    )


def test_install_refuses_after_the_real_package(python):
    check(
        python,
        """
        import sys, keras, torchkeras
        real, real_layers = keras, keras.layers
        assert real.REAL
        try:
            torchkeras.install()
        except RuntimeError as error:
            text = str(error)
        assert "'keras'" in text and real.__file__ in text and "force=True" in text, text
        assert sys.modules["keras"] is real

        torchkeras.install(force=True)
        import keras
        from keras import layers
        assert keras is torchkeras and layers is torchkeras.layers
        torchkeras.uninstall()
        import keras
        assert keras is real and sys.modules["keras.layers"] is real_layers
        """,
        **FAKE_KERAS,
    )


def test_notebook_extension(python):
    check(
        python,
        """
        import torchkeras
        from torchkeras.shim.notebook import unload_ipython_extension
        torchkeras.load_ipython_extension(object())
        from tensorflow import keras
        assert keras is torchkeras
        unload_ipython_extension(object())
        try:
            import tensorflow
        except ModuleNotFoundError:
            pass
        else:
            assert tensorflow.__name__ == "tensorflow"
        """,
    )
