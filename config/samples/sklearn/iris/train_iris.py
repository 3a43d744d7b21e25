"""Fits the model of KServe's scikit-learn example: a support vector classifier on the iris data.

Usage: python train_iris.py   (writes model.joblib beside this script)
"""
import os

import joblib
from sklearn import datasets, svm

iris = datasets.load_iris()
model = svm.SVC(gamma="scale")
model.fit(iris.data, iris.target)
print(model.predict([[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]))  # [1 1]
joblib.dump(model, os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.joblib"))
