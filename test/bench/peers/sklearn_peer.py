import joblib
from common import main

if __name__ == "__main__":
    main(lambda file: joblib.load(file).predict)
