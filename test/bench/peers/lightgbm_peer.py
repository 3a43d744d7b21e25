import lightgbm
from common import main


def load(file):
    booster = lightgbm.Booster(params={"nthread": 1}, model_file=str(file))
    return lambda rows: booster.predict(rows, num_threads=1)


if __name__ == "__main__":
    main(load)
