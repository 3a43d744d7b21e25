import xgboost
from common import main


def load(file):
    booster = xgboost.Booster(params={"nthread": 1}, model_file=str(file))
    return lambda rows: booster.predict(xgboost.DMatrix(rows, nthread=1))


if __name__ == "__main__":
    main(load)
