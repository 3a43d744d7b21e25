"""What the peers share: KServe's own SDK around a library, as its Python servers are built."""

import argparse
import pathlib

import kserve
from kserve.errors import InferenceError
from kserve.utils.utils import get_predict_input, get_predict_response


class LibraryModel(kserve.Model):
    """Serves predict(rows) -> array."""

    def __init__(self, name, predict):
        super().__init__(name)
        self._predict = predict
        self.ready = True

    def predict(self, payload, headers=None):
        try:
            return get_predict_response(payload, self._predict(get_predict_input(payload)), self.name)
        except Exception as error:
            raise InferenceError(str(error))


def main(load):
    """load(file) -> predict function."""
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    parser.add_argument("--model_dir", required=True)
    args, _ = parser.parse_known_args()
    (file,) = [f for f in pathlib.Path(args.model_dir).iterdir() if f.is_file()]
    kserve.logging.configure_logging(args.log_config_file)
    kserve.ModelServer().start([LibraryModel(args.model_name, load(file))])
